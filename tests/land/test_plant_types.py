"""Types of plants by climate: rules by month, and Köppen's classes instead."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from legend_covers import make_climate, make_cover, shares_of

from xai4land import InputError
from xai4land_land import to_legend

FORMS = "needleleaf_evergreen_tree broadleaf_evergreen_tree broadleaf_deciduous_tree shrub grass"
NORTH = (50.0, 40.0)
SEASON = -np.cos(2 * np.pi * (np.arange(12) + 0.5) / 12)  # -1 in January, 1 in July


def types(climate, form: str, lat=NORTH) -> dict[str, float]:
    names = ["not_vegetated", "tree", "crop", *FORMS.split()]
    cover = make_cover(names, [float(name == form) for name in names], lat)
    return shares_of(to_legend(cover, "clm5", climate=climate))


@pytest.mark.parametrize(
    ("coldest", "warmest", "expected"),
    [
        (24, 28, ["needleleaf_evergreen_temperate", "broadleaf_evergreen_tropical",
                  "broadleaf_deciduous_tropical"]),
        (0, 20, ["needleleaf_evergreen_temperate", "broadleaf_evergreen_temperate",
                 "broadleaf_deciduous_temperate"]),
        (-17, 20, ["needleleaf_evergreen_temperate", "broadleaf_evergreen_temperate",
                   "broadleaf_deciduous_boreal"]),
        (-30, 18, ["needleleaf_evergreen_boreal", "broadleaf_evergreen_temperate",
                   "broadleaf_deciduous_boreal"]),
        (-5, 11, ["needleleaf_evergreen_boreal", "broadleaf_evergreen_temperate",
                  "broadleaf_deciduous_boreal"]),
    ],
)  # fmt: skip
def test_trees_are_told_apart_by_coldest_month_and_degree_days(coldest, warmest, expected):
    swing = SEASON / abs(SEASON).max()
    tas = (warmest + coldest) / 2 + (warmest - coldest) / 2 * swing
    climate = make_climate(tas, 50, NORTH)
    for form, kind in zip(FORMS.split()[:3], expected, strict=True):
        assert types(climate, form) == {f"{kind}_tree": 1}


def test_trees_that_the_legend_does_not_tell_apart():
    warm = make_climate(26, 100, NORTH)
    assert types(warm, "tree") == {"broadleaf_evergreen_tropical_tree": 1}
    dry_season = make_climate(26, np.where(SEASON > 0, 200, 10), NORTH)
    assert types(dry_season, "tree") == {"broadleaf_deciduous_tropical_tree": 1}
    assert types(make_climate(12 + 8 * SEASON, 60, NORTH), "tree") == {
        "needleleaf_evergreen_temperate_tree": 0.5,
        "broadleaf_deciduous_temperate_tree": 0.5,
    }
    assert types(make_climate(-8 + 22 * SEASON, 40, NORTH), "tree") == {
        "needleleaf_evergreen_boreal_tree": 1
    }


def test_shrubs_are_evergreen_where_winters_are_wet_on_either_hemisphere():
    rain = np.where(SEASON < 0, 100, 10)  # wet from November to April: 660 mm, 600 in winter
    tas = 16 + 6 * SEASON
    assert types(make_climate(tas, rain, NORTH), "shrub") == {"broadleaf_evergreen_shrub": 1}
    south = (-30.0, -40.0)
    assert types(make_climate(-tas + 32, rain, south), "shrub", south) == {
        "broadleaf_deciduous_temperate_shrub": 1
    }
    winter_rain = make_climate(-tas + 32, np.where(SEASON > 0, 100, 10), south)
    assert types(winter_rain, "shrub", south) == {"broadleaf_evergreen_shrub": 1}
    assert types(make_climate(tas, rain / 2, NORTH), "shrub") == {
        "broadleaf_deciduous_temperate_shrub": 1
    }
    assert types(make_climate(-8 + 22 * SEASON, rain, NORTH), "shrub") == {
        "broadleaf_deciduous_boreal_shrub": 1
    }


@pytest.mark.parametrize(
    ("tas", "pr", "expected"),
    [
        (25, 50, {"c4_grass": 1}),
        (25, 24.9, {"c3_non-arctic_grass": 1}),  # no month in which grass grows
        (21.9, 50, {"c3_non-arctic_grass": 1}),
        ([4.9] * 4 + [15] * 4 + [22] * 4, 25, {"c3_non-arctic_grass": 0.5, "c4_grass": 0.5}),
        (
            [10] * 6 + [30] * 6,
            [50] * 9 + [0] * 3,
            {"c3_non-arctic_grass": 2 / 3, "c4_grass": 1 / 3},
        ),
        ([-10] * 9 + [9] * 3, 50, {"c3_arctic_grass": 1}),
    ],
)
def test_c4_grass_takes_the_months_of_growth_that_are_warm(tas, pr, expected):
    found = types(make_climate(tas, pr, NORTH), "grass")
    assert found == {name: pytest.approx(share, abs=1e-6) for name, share in expected.items()}


@pytest.mark.parametrize(
    ("code", "tas", "pr"),
    [(1, 26, 100), (7, 28, 30), (10, 11 + 7 * SEASON, 60), (20, -5 + 22 * SEASON, 40),
     (31, -20 + 26 * SEASON, 20)],
)  # fmt: skip
def test_koppens_classes_agree_with_the_months_of_typical_places(code, tas, pr):
    names = ["tree", "shrub", "grass", "crop"]
    cover = make_cover(names, [0.4, 0.2, 0.3, 0.1], NORTH)
    koppen = xr.DataArray(
        np.full((2, 2), code, np.uint8), {"lat": list(NORTH), "lon": [0.0, 10.0]}, ("lat", "lon")
    )
    by_class = to_legend(cover, "clm5", koppen=koppen)
    by_month = to_legend(cover, "clm5", climate=make_climate(tas, pr, NORTH))
    if code != 7:  # a desert's coldest month is warmer here than its class asks for
        assert shares_of(by_class) == shares_of(by_month)
    assert shares_of(by_class).get("c4_grass") == shares_of(by_month).get("c4_grass")
    assert "Köppen" in by_class.land_cover_fraction.attrs["climate_rule"]
    assert "Bonan et al. 2002" in by_month.land_cover_fraction.attrs["climate_rule"]


def test_classes_of_koppen_with_names_may_have_other_codes():
    cover = make_cover(["tree", "grass"], [0.5, 0.5], NORTH)
    coords = {"lat": list(NORTH), "lon": [0.0, 10.0]}
    ours = xr.DataArray(np.full((2, 2), 20, np.uint8), coords, ("lat", "lon"))  # Dfc
    flags = {"flag_values": np.uint8([1, 27]), "flag_meanings": "Af Dfc"}
    theirs = xr.DataArray(np.full((2, 2), 27, np.uint8), coords, ("lat", "lon"), attrs=flags)
    found = [shares_of(to_legend(cover, "clm5", koppen=k)) for k in (ours, theirs)]
    assert found[0] == found[1]
    flags["flag_meanings"] = "wet cold"
    with pytest.raises(InputError, match="are called wet, cold, expected Af"):
        to_legend(cover, "clm5", koppen=theirs.assign_attrs(flags))


def test_without_a_climate_plants_are_missing_and_the_rest_is_known():
    values = np.zeros((2, 2, 2))
    values[0, 0], values[1, 1] = 1, 1
    cover = make_cover(["grass", "urban"], values, NORTH)
    koppen = xr.DataArray(
        np.full((2, 2), 32, np.uint8), {"lat": list(NORTH), "lon": [0.0, 10.0]}, ("lat", "lon")
    )
    made = to_legend(cover, "clm5", koppen=koppen)
    assert made.land_cover_fraction.isel(lat=0).isnull().all()
    assert shares_of(made, row=1) == {"urban": 1}


def test_what_a_climate_lacks_is_said():
    cover = make_cover(["grass", "urban"], [0.5, 0.5], NORTH)
    with pytest.raises(InputError, match="give climate= .*or koppen="):
        to_legend(cover, "clm5")
    climate = make_climate(20, 50, NORTH)
    with pytest.raises(InputError, match="no 'pr'"):
        to_legend(cover, "clm5", climate=climate[["tas"]])
    with pytest.raises(InputError, match="11 months"):
        to_legend(cover, "clm5", climate=climate.isel(time=slice(11)))
