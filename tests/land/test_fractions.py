"""Area fractions of classes on a coarser grid."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from legend_covers import make_cover

import xai4land
from xai4land import InputError
from xai4land_land import fractions
from xai4land_land.crosswalks.classes import class_names

LAT, LON = [75.0, 45.0, 15.0, -15.0, -45.0, -75.0], [45.0, 135.0, 225.0, 315.0]


def coarse_grid() -> xr.Dataset:
    return xr.Dataset(coords={"lat": [45.0, -45.0], "lon": [90.0, 270.0]})


def row_areas(lat) -> np.ndarray:
    return np.sin(np.deg2rad(np.array(lat) + 15)) - np.sin(np.deg2rad(np.array(lat) - 15))


def test_pixels_of_a_map_count_by_their_area_on_the_sphere():
    codes = np.full((6, 4), 1, np.uint8)
    codes[0, :] = 2
    map_ = xr.DataArray(codes, {"lat": LAT, "lon": LON}, ("lat", "lon"), "land_cover",
                        {"flag_values": [1, 2], "flag_meanings": "low high"})  # fmt: skip
    made = map_.ai4land.fractions(coarse_grid())
    high = made.land_cover_fraction.sel(land_cover_class=2)
    np.testing.assert_allclose(high.sel(lat=45), 1 - np.sin(np.deg2rad(60)), rtol=1e-6)
    assert (high.sel(lat=-45) == 0).all()
    assert made.class_name.values.tolist() == ["low", "high"]
    attrs = made.land_cover_fraction.attrs
    assert (attrs["standard_name"], attrs["units"]) == ("area_fraction", "1")
    assert attrs["cell_methods"] == "area: mean"


def test_fractions_are_the_plain_weighted_mean_and_missing_pixels_do_not_count():
    values = np.random.default_rng(0).dirichlet(np.ones(3), (6, 4)).transpose(2, 0, 1)
    values[:, 1, 0] = np.nan
    values[0, 2, 1] = np.nan  # one class of a pixel: nothing is known of it
    values[:, :3, 2] = np.nan
    cover = make_cover(["a", "b", "c"], values, LAT, LON)
    made = fractions(cover, coarse_grid()).land_cover_fraction
    weight = np.repeat(row_areas(LAT)[:, None], 4, 1)
    weight[1, 0] = weight[2, 1] = 0
    north = np.nansum(values[:, :3, :2] * weight[:3, :2], (1, 2)) / weight[:3, :2].sum()
    np.testing.assert_allclose(made.isel(lat=0, lon=0), north, rtol=1e-6)
    np.testing.assert_allclose(made.isel(lat=0, lon=1).sum(), 1, rtol=1e-6)
    strict = fractions(cover, coarse_grid(), min_coverage=0.9).land_cover_fraction
    assert strict.isel(lat=0).isnull().all()
    assert strict.isel(lat=1).notnull().all()


def test_probabilities_of_a_conserving_emulator_give_the_states_back():
    planet = xai4land.sample("land", years=[2000]).isel(
        lat=slice(30, 60), lon=slice(60, 120), lat_fine=slice(120, 240), lon_fine=slice(240, 480)
    )
    maps = planet.ai4land.reconstruct(probabilities=True, baselines=False)
    coarse = maps.ai4land.fractions(planet[["urban"]])
    assert coarse.land_cover_fraction.chunks is not None
    found = coarse.land_cover_fraction.isel(time=0).compute()
    total = found.sum("land_cover_class", skipna=False)
    assert float(abs(total - 1).max()) < 1e-6
    for position, names in (
        (1, ["urban"]),
        (2, ["c3ann", "c3per", "c4ann", "c4per", "c3nfx"]),
        (4, ["primf", "secdf"]),
    ):
        states = planet[names].isel(time=0).to_dataarray().sum("variable", skipna=False)
        error = abs(found.sel(land_cover_class=position) - states)
        assert float(error.mean()) < 1e-3
        assert float(error.quantile(0.99)) < 0.01
    counted = (
        maps[["land_cover"]].ai4land.fractions(planet[["urban"]]).land_cover_fraction.isel(time=0)
    )
    urban = planet.urban.isel(time=0)
    inside = found.sel(land_cover_class=1).notnull() & urban.notnull()
    by_map = float(abs(counted.sel(land_cover_class=1) - urban).where(inside).mean())
    assert by_map > float(abs(found.sel(land_cover_class=1) - urban).mean())


def test_a_variable_for_each_class_will_do():
    names = class_names("land_states")
    values = np.random.default_rng(1).dirichlet(np.ones(8), (6, 4)).transpose(2, 0, 1)
    cover = make_cover(names, values, LAT, LON)
    each = cover.land_cover_fraction.to_dataset("land_cover_class").rename(dict(enumerate(names)))
    percent = xr.Dataset({n: (100 * a).assign_attrs(units="%") for n, a in each.items()})
    made, wanted = fractions(percent, coarse_grid()), fractions(cover, coarse_grid())
    np.testing.assert_allclose(made.land_cover_fraction, wanted.land_cover_fraction, rtol=1e-5)
    assert made.class_name.values.tolist() == [*names]


def test_fractions_that_do_not_sum_to_one_are_refused_now_or_when_computed():
    values = np.full((2, 6, 4), 0.5)
    values[0, 2, 3] = 0.1
    cover = make_cover(["a", "b"], values, LAT, LON)
    with pytest.raises(InputError, match=r"sum to 0.6 to 0.6 in 1 cells, expected 1"):
        fractions(cover, coarse_grid())
    lazy = fractions(cover.chunk(lat=2), coarse_grid())
    with pytest.raises(InputError, match=r"sum to 0.6"):
        lazy.compute()
    values[0, 2, 3], values[1, 2, 3] = 1.5, -0.5
    with pytest.raises(InputError, match=r"is -0.5 somewhere"):
        fractions(make_cover(["a", "b"], values, LAT, LON), coarse_grid())


def test_data_without_classes_are_refused():
    with pytest.raises(InputError, match="neither fractions or probabilities.*nor a map"):
        fractions(coarse_grid().assign(elevation=(("lat", "lon"), np.ones((2, 2)))), 5.0)
    two = make_cover(["a", "b"], [0.5, 0.5])
    two["other_fraction"] = two.land_cover_fraction
    with pytest.raises(InputError, match="land_cover_fraction, other_fraction all have"):
        fractions(two, 5.0)
