"""Land cover as CLM5 and IFS read it, and the checkers of both."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from legend_covers import make_climate, make_cover

import xai4land
from compliance import complaints
from xai4land import InputError
from xai4land_land import (
    check_clm_surface,
    check_ifs_cover,
    to_clm_surface,
    to_ifs_cover,
)
from xai4land_land.crosswalks.classes import class_names

TYPES = class_names("clm5")
LAT, LON = (45.0, -45.0), (-90.0, 90.0)


def cover_of(**shares: float) -> xr.Dataset:
    """Return a cover in CLM5's types, the same in four cells."""
    return make_cover(TYPES, [shares.get(name.replace("-", "_"), 0.0) for name in TYPES], LAT, LON)


def varied() -> xr.Dataset:
    """Return a cover with a cell of sea, one of ice, one of town and lake, and one of plants."""
    cover = cover_of()
    cells = {
        (0, 0): {"ocean": 1.0},
        (0, 1): {"glacier": 1.0},
        (1, 0): {"urban": 0.1, "lake": 0.2, "c3_crop": 0.4, "c4_grass": 0.2,
                 "broadleaf_evergreen_tropical_tree": 0.1},
        (1, 1): {"ocean": 0.5, "wetland": 0.25, "c3_non-arctic_grass": 0.25},
    }  # fmt: skip
    values = cover.land_cover_fraction.values.copy()
    for (row, column), shares in cells.items():
        for name, share in shares.items():
            values[TYPES.index(name), row, column] = share
    return cover.assign(land_cover_fraction=cover.land_cover_fraction.copy(data=values))


def test_a_surface_has_the_landunits_and_types_of_a_cell_worked_by_hand():
    surface = to_clm_surface(varied())
    assert check_clm_surface(surface) == []
    assert surface.LATIXY.values[:, 0].tolist() == [-45, 45]
    assert surface.LONGXY.values[0].tolist() == [90, 270]
    town = surface.isel(lsmlat=0, lsmlon=1)  # 45°S, 90°W
    assert float(town.PCT_NATVEG) == pytest.approx(30)
    assert float(town.PCT_CROP) == pytest.approx(40)
    assert town.PCT_URBAN.values.tolist() == pytest.approx([0, 0, 10])
    assert float(town.PCT_LAKE) == pytest.approx(20)
    assert town.PCT_NAT_PFT.values[[4, 14]].tolist() == pytest.approx([100 / 3, 200 / 3])
    assert town.PCT_CFT.values.tolist() == [100, 0]
    coast = surface.isel(lsmlat=0, lsmlon=0)  # half of it sea: percents are of the land
    assert float(coast.LANDFRAC_PFT) == 0.5
    assert float(coast.PCT_WETLAND) == pytest.approx(50)
    assert float(coast.PCT_NAT_PFT[13]) == 100
    ice, sea = surface.isel(lsmlat=1, lsmlon=0), surface.isel(lsmlat=1, lsmlon=1)
    assert (float(ice.PCT_GLACIER), float(ice.PCT_NAT_PFT[0])) == (100, 100)
    assert (float(sea.PCT_WETLAND), float(sea.LANDFRAC_PFT), int(sea.PFTDATA_MASK)) == (100, 0, 0)
    assert float(surface.AREA.sum()) == pytest.approx(4 * np.pi * 6371.22**2)


def test_water_beyond_the_land_mask_is_sea():
    water = cover_of(lake=0.6, c3_crop=0.4)
    land = xr.DataArray([[0.5, 1.0], [0.0, np.nan]], {"lat": list(LAT), "lon": list(LON)},
                        ("lat", "lon"))  # fmt: skip
    surface = to_clm_surface(water, land=land)
    assert check_clm_surface(surface) == []
    fraction = surface.LANDFRAC_PFT.sel(lsmlat=1)
    assert fraction.values.tolist() == pytest.approx([1.0, 0.5])
    # No more than the water can be sea.
    assert surface.LANDFRAC_PFT.sel(lsmlat=0).values.tolist() == pytest.approx([0.4, 0.4])
    assert surface.PCT_LAKE.values[1].tolist() == pytest.approx([60, 20])
    assert (to_clm_surface(water).LANDFRAC_PFT == 1).all()


parts = st.lists(st.integers(0, 1000), min_size=len(TYPES), max_size=len(TYPES)).filter(any)


@settings(max_examples=30, deadline=None)
@given(cells=st.lists(parts, min_size=4, max_size=4))
def test_the_sums_hold_to_what_clm_asks_for_whatever_the_fractions(cells):
    values = np.array([np.array(cell) / sum(cell) for cell in cells]).T.reshape(-1, 2, 2)
    cover = make_cover(TYPES, values.astype(np.float32).astype(float), LAT, LON)
    surface = to_clm_surface(cover)
    assert check_clm_surface(surface) == []
    units = sum(surface[f"PCT_{n}"] for n in ["NATVEG", "CROP", "LAKE", "WETLAND", "GLACIER"])
    np.testing.assert_allclose(units + surface.PCT_URBAN.sum("numurbl"), 100, atol=1e-12)
    np.testing.assert_allclose(surface.PCT_NAT_PFT.sum("natpft"), 100, atol=1e-12)
    assert check_ifs_cover(to_ifs_cover(cover)) == []


def test_a_surface_is_lazy_and_survives_a_file(tmp_path):
    lazy = to_clm_surface(varied().chunk(lat=1))
    assert all(lazy[n].chunks is not None for n in ("PCT_NATVEG", "PCT_NAT_PFT", "PFTDATA_MASK"))
    lazy.to_netcdf(tmp_path / "surface.nc", format="NETCDF3_64BIT")
    with xr.open_dataset(tmp_path / "surface.nc") as again:
        assert again.PCT_NAT_PFT.dims == ("natpft", "lsmlat", "lsmlon")
        assert again.PCT_URBAN.sizes["numurbl"] == 3
        assert again.cft.values.tolist() == [15, 16]
        assert check_clm_surface(again) == []
        xr.testing.assert_equal(again.PCT_NAT_PFT, to_clm_surface(varied()).PCT_NAT_PFT)


def test_missing_classes_are_no_land_and_several_years_are_refused():
    cover = varied()
    cover["land_cover_fraction"] = cover.land_cover_fraction.where(cover.lat > 0)
    surface = to_clm_surface(cover)
    assert check_clm_surface(surface) == []
    assert surface.PFTDATA_MASK.values[0].tolist() == [0, 0]
    time = np.array(["2000-07-01", "2001-07-01"], "datetime64[ns]")
    years = varied().expand_dims(time=time)
    with pytest.raises(InputError, match=r"2 steps of 'time'.*isel\(time=\[0\]\)"):
        to_clm_surface(years)
    assert check_clm_surface(to_clm_surface(years.isel(time=[0]))) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PCT_LAKE": 1.0}, "the landunits sum to 101"),
        ({"PCT_LAKE": 1e-9}, "the landunits sum to 100.000000001 "),
        ({"PCT_LAKE": -200.0}, "PCT_LAKE is missing or out of 0 to 100"),
        ({"PCT_NAT_PFT": np.nan}, "PCT_NAT_PFT is missing or out of 0 to 100"),
        ({"PCT_CFT": -50.0}, "types of PCT_CFT sum to|PCT_CFT is missing or out"),
        ({"LANDFRAC_PFT": 1.0}, "LANDFRAC_PFT is missing or out of 0 to 1"),
        ({"PFTDATA_MASK": 2}, "PFTDATA_MASK has values beside 0 and 1"),
        ({"LATIXY": -1e9}, "LATIXY is missing or out of -90 to 90"),
    ],
)
def test_the_checker_of_clm_finds_what_is_wrong(change, said):
    surface = to_clm_surface(varied()).copy(deep=True)
    [(name, added)] = change.items()
    surface[name] = surface[name] + added
    problems = check_clm_surface(surface)
    assert any(any(part in one for part in said.split("|")) for one in problems), problems


def test_the_checker_of_clm_lists_all_and_knows_the_layout():
    surface = to_clm_surface(varied())
    wrong = surface.drop_vars(["PCT_CROP", "AREA"]).transpose("lsmlon", ...)
    problems = "\n".join(check_clm_surface(wrong))
    assert "PCT_CROP is missing" in problems
    assert "AREA is missing" in problems
    assert "PCT_LAKE has dimensions ('lsmlon', 'lsmlat'), expected" in problems
    few = surface.isel(natpft=slice(14), numurbl=[0])
    assert check_clm_surface(few) == [
        "natpft has 14 entries, expected 15", "numurbl has 1 entries, expected 3"]  # fmt: skip
    assert "LATIXY does not increase" in str(check_clm_surface(surface.isel(lsmlat=[1, 0])))


def test_ifs_has_the_sums_of_low_and_high_types_and_the_largest_of_each():
    cover = to_ifs_cover(
        cover_of(
            c3_crop=0.2, c3_non_arctic_grass=0.15, c4_grass=0.15, urban=0.1,
            broadleaf_deciduous_tropical_tree=0.1, broadleaf_deciduous_boreal_tree=0.1,
            needleleaf_evergreen_boreal_tree=0.15, lake=0.05,
        )
    )  # fmt: skip
    assert check_ifs_cover(cover) == []
    cell = {n: float(cover[n][0, 0]) for n in ("cvl", "cvh", "tvl", "tvh")}
    # Deciduous trees are one type (5), larger together than needleleaf trees (3).
    assert cell == {n: pytest.approx(v) for n, v in
                    {"cvl": 0.5, "cvh": 0.35, "tvl": 1, "tvh": 5}.items()}  # fmt: skip
    assert cover.cvl.attrs["GRIB_paramId"] == 27
    assert "deciduous_broadleaf_trees" in cover.tvh.attrs["flag_meanings"]


def test_ifs_has_type_0_without_vegetation_and_missing_cells_stay_missing():
    bare = varied()
    bare["land_cover_fraction"] = bare.land_cover_fraction.where(bare.lon > 0)
    cover = to_ifs_cover(bare.chunk(lat=1))
    assert cover.tvl.chunks is not None
    assert cover.tvl.values[0].tolist()[1] == 0  # ice
    assert float(cover.cvl[0, 1]) == float(cover.cvh[0, 1]) == float(cover.tvh[0, 1]) == 0
    assert cover.isel(lon=0).to_dataarray().isnull().all()
    assert float(cover.tvl[1, 1]) == 2  # a quarter is short grass, a quarter bog (13)
    assert check_ifs_cover(cover) == []


def test_a_climate_may_make_both_from_the_states_of_an_emulator():
    names = class_names("land_states")
    cover = make_cover(names, [0.1, 0.4, 0.2, 0.1, 0.1, 0.05, 0.0, 0.05], LAT, LON)
    climate = make_climate(26, 100, LAT, LON)
    surface = to_clm_surface(cover, climate=climate)
    assert check_clm_surface(surface) == []
    assert float(surface.PCT_CROP[0, 0]) == pytest.approx(15)
    assert "Bonan" in surface.attrs["climate_rule"]
    vegetation = to_ifs_cover(cover, climate=climate)
    assert check_ifs_cover(vegetation) == []
    assert (vegetation.tvh == 6).all()
    assert (vegetation.tvl == 7).all()  # C4 grass
    with pytest.raises(InputError, match="no fractions or probabilities.*fractions"):
        to_ifs_cover(xr.Dataset({"tas": 1.0}))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tvl", 3, "tvl has types 3, expected 0 or one of 1, 2, 7"),
        ("tvh", 1, "tvh has types 1, expected 0 or one of 3, 4, 5, 6, 18, 19"),
        ("tvl", 0, "cvl is above 0 where tvl is 0"),
        ("cvl", 0, "tvl names a type where cvl is 0"),
        ("cvl", 1.2, "cvl is missing or out of 0 to 1"),
        ("cvl", 0.95, "cvl + cvh is above 1"),
        ("cvh", np.nan, "missing in different cells"),
    ],
)
def test_the_checker_of_ifs_finds_what_is_wrong(name, value, said):
    cover = to_ifs_cover(cover_of(c3_crop=0.6, broadleaf_deciduous_tropical_tree=0.4))
    cover[name] = xr.full_like(cover[name], value)
    assert any(said in one for one in check_ifs_cover(cover)), check_ifs_cover(cover)


def test_the_checker_of_ifs_says_what_is_missing():
    cover = to_ifs_cover(cover_of(c3_crop=1.0))
    assert [one.split()[0] for one in check_ifs_cover(cover[["cvl"]])] == ["cvh", "tvl", "tvh"]


def test_fractions_and_maps_in_other_legends_follow_cf(tmp_path):
    planet = xai4land.sample("land", years=[2000])
    coarse = planet.ai4land.fractions(10.0)
    plants = coarse.ai4land.to_legend("clm5", climate=xai4land.sample("land_climate", years=[2000]))
    for name, made in (("plants", plants), ("ipcc", planet.ai4land.to_legend("ipcc"))):
        path = made.ai4land.write(tmp_path / f"{name}.nc", progress=False)
        assert complaints(path, "lenient") == ""
