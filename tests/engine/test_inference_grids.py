"""Maps depend on where cells lie, not on order, rounding or extent of coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from conftest import coordinate, random_emulator, small_card
from xai4land.emulator.card import Resolution, Window
from xai4land.grids.grid import Grid, target_grid
from xai4land.grids.spacing import regular_spacing
from xai4land_land import reconstruct

SIZE = 16
"""Pixels of a window."""


def emulator(target: float, states: float):
    resolution = Resolution(target=target, states=states)
    window = Window(size=SIZE, overlap=4)
    return random_emulator(
        small_card().with_(resolution=resolution.model_dump(), window=window.model_dump())
    )


def inputs(lat, lon, fine_lat, fine_lon) -> xr.Dataset:
    """Make states on some coordinates, height and zones on finer ones."""
    rng = np.random.default_rng(0)
    coords = {"lat": coordinate("lat", lat), "lon": coordinate("lon", lon)}
    coords |= {
        "lat_fine": coordinate("lat_fine", fine_lat),
        "lon_fine": coordinate("lon_fine", fine_lon),
    }
    fractions = rng.dirichlet([1.0, 1.0, 1.0], (len(lat), len(lon))).astype("f4")
    data = xr.Dataset(coords=coords)
    for k, name in enumerate(("wood", "field", "town")):
        data[name] = (("lat", "lon"), fractions[..., k], {"units": "1"})
    shape, dims = (len(fine_lat), len(fine_lon)), ("lat_fine", "lon_fine")
    data["height"] = (dims, rng.normal(size=shape).astype("f4") * 100, {"units": "m"})
    data["zone"] = (dims, rng.integers(1, 4, shape).astype("u1"))
    return data


def cells(step: float, first: float, last: float) -> np.ndarray:
    """Return the centres of the cells between two edges."""
    return first + step * (np.arange(round((last - first) / step)) + 0.5)


def run(data, made_by, **how) -> xr.Dataset:
    how = {"precision": "float32", "probabilities": True, **how}
    return reconstruct(data, made_by, **how).compute()


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    """Assert equal classes and, to 1e-5, equal probabilities, pixel by pixel."""
    np.testing.assert_array_equal(one.land_cover.values, other.land_cover.values)
    found, expected = (made.land_cover_probability.values for made in (one, other))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_region_almost_around_the_globe_does_not_depend_on_chunks():
    """A window in the gap has its nearest cells at both ends, each pixel its own."""
    data = inputs(cells(10, 20, 60), cells(10, -170, 170), *(cells(2.5, *e) for e in EDGES))
    made_by = emulator(2.5, 10)
    same(run(data, made_by), run(data, made_by, chunks=30))


EDGES = (20, 60), (-170, 170)


def test_static_features_of_a_region_work_with_a_global_target_from_0_to_360():
    data = inputs(cells(10, -40, 40), cells(10, 0, 360), cells(2.5, -40, 40), cells(2.5, -60, 60))
    target = xr.Dataset(
        coords={
            "lat": coordinate("lat", cells(2.5, -40, 40)),
            "lon": coordinate("lon", cells(2.5, 0, 360)),
        }
    )
    made = run(data, emulator(2.5, 10), target=target)
    same(made, run(data, emulator(2.5, 10), target=target, chunks=(32, 20)))
    known = (made.land_cover.values != 255).all(0)
    east = (made.lon.values + 180) % 360 - 180
    np.testing.assert_array_equal(known, np.abs(east) < 60)


@pytest.mark.parametrize("chunks", [(24, 141), (10, 20)])
def test_each_cell_of_a_region_counts_once_under_a_global_target(chunks):
    """The first cell begins at the date line, where the target ends."""
    data = inputs(cells(10, 0, 60), cells(10, -180, -70), cells(2.5, 0, 60), cells(2.5, -180, 180))
    lon = coordinate("lon", cells(2.5, 180, 540))
    target = xr.Dataset(coords={"lat": coordinate("lat", cells(2.5, 0, 60)), "lon": lon})
    made_by = emulator(2.5, 10)
    same(run(data, made_by, target=target), run(data, made_by, target=target, chunks=chunks))


def test_the_cell_of_a_pixel_on_an_edge_does_not_depend_on_the_order_of_rows():
    fine = cells(0.2, 40, 46), cells(0.2, 0, 8)
    data = inputs(cells(0.5, 40, 46), cells(0.5, 0, 8), *fine)
    made_by = emulator(0.2, 0.5)
    up = run(data, made_by)
    for turned in ("lat", "lat_fine"):
        down = run(data.isel({turned: slice(None, None, -1)}), made_by)
        same(up.sortby("lat"), down.sortby("lat"))


@pytest.mark.parametrize(("fine", "coarse"), [(0.05, 0.25), (0.1, 0.25)])
def test_float32_coordinates_do_not_matter(fine, coarse):
    """The first meridian and the part of the target do not matter either."""
    lat, lon = (40, 46), (170, 180)
    exact = inputs(cells(coarse, *lat), cells(coarse, *lon), cells(fine, *lat), cells(fine, *lon))
    names = ("lat", "lon", "lat_fine", "lon_fine")
    rounded = exact.assign_coords(
        {n: exact[n].copy(data=exact[n].values.astype("f4")) for n in names}
    )
    west = exact.assign_coords(
        {n: exact[n].copy(data=(exact[n].values - 360).astype("f4")) for n in names if "lon" in n}
    )
    made_by = emulator(fine, coarse)
    made = run(exact, made_by)
    same(made, run(rounded, made_by))
    same(made, run(west, made_by))
    target = rounded[["height"]].isel(lat_fine=slice(21, 34), lon_fine=slice(50, 61))
    part = run(rounded, made_by, target=target)
    same(made.isel(lat=slice(21, 34), lon=slice(50, 61)), part)


def test_coordinates_rounded_to_decimals_do_not_matter():
    fine, coarse = cells(1 / 12, 40, 44), cells(1 / 2, 40, 44)
    exact = inputs(coarse, cells(1 / 2, 0, 6), fine, cells(1 / 12, 0, 6))
    rounded = exact.assign_coords(
        {n: exact[n].copy(data=np.round(exact[n].values, 4)) for n in exact.coords}
    )
    made_by = emulator(1 / 12, 1 / 2)
    same(run(exact, made_by), run(rounded, made_by))


@pytest.mark.parametrize("west", np.arange(-20, -19, 0.05).round(2))
def test_a_resolution_over_float32_states_gives_the_same_target(west):
    """One case has an edge of the states midway between two pixels."""
    exact = inputs(cells(0.05, 40, 42), cells(0.05, west, west + 2), *(cells(0.02, 40, 42),) * 2)
    rounded = exact.assign_coords(
        {n: exact[n].copy(data=exact[n].values.astype("f4")) for n in ("lat", "lon")}
    )
    one, other = (
        target_grid(0.02, Grid.of(data["wood"]), Grid.of(data["height"]))
        for data in (exact, rounded)
    )
    np.testing.assert_array_equal(one.lon.values, other.lon.values)
    np.testing.assert_array_equal(one.lat.values, other.lat.values)


def test_output_has_the_coordinates_of_the_target_to_the_last_bit():
    lat, lon = cells(0.1, 40, 44).astype("f4"), cells(0.1, 0, 6).astype("f4")
    data = inputs(cells(0.5, 40, 44), cells(0.5, 0, 6), lat, lon)
    made = run(data, emulator(0.1, 0.5))
    np.testing.assert_array_equal(made.lat, lat)
    np.testing.assert_array_equal(made.lon, lon)


def gaussian(count: int) -> np.ndarray:
    return np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(count)[0]))[::-1]


def test_gaussian_rows_extend_to_the_poles_and_can_be_subset():
    lat, lon = gaussian(48), cells(3.75, 0, 360)
    data = inputs(lat, lon, cells(1.25, -90, 90)[::-1], cells(1.25, 0, 360))
    made_by = emulator(1.25, 3.75)
    whole = run(data, made_by)
    assert (whole.land_cover.values != 255).all()
    part = run(data.isel(lat=slice(3, 33)), made_by)
    inner = whole.lat.values
    inner = inner[(inner < lat[3] - 1.25 * (SIZE + 1)) & (inner > lat[32] + 1.25 * (SIZE + 1))]
    assert inner.size > 20
    same(whole.sel(lat=inner), part.sel(lat=inner))


@pytest.mark.parametrize("chunks", [(10, 144), (5, 30)])
def test_irregular_rows_do_not_depend_on_chunks(chunks):
    """Fractions are conserved over whole cells, and some are larger than others."""
    edges = np.array([-90, -60, -45, -35, -10, 0, 5, 15, 20, 50, 60, 90.0])
    data = inputs(
        (edges[1:] + edges[:-1]) / 2, cells(10, -180, 180), cells(2.5, -90, 90), cells(2.5, 0, 360)
    )
    made_by = emulator(2.5, 10)
    same(run(data, made_by), run(data, made_by, chunks=chunks))


def test_beyond_irregular_rows_the_map_is_missing():
    lat = np.array([41.0, 44, 48, 53, 59])
    data = inputs(lat, cells(10, 0, 360), cells(2.5, -90, 90), cells(2.5, 0, 360))
    made = run(data, emulator(2.5, 10))
    known = made.lat.values[(made.land_cover.values != 255).any(1)]
    assert known.min() == 41.25  # the first cell ends at 39.5, the last one at 62
    assert known.max() == 61.25


@pytest.mark.parametrize("step", [0.1, 0.11])
@pytest.mark.parametrize("phase", [0, 0.25, 0.5, 0.75])
def test_windows_do_not_depend_on_the_part_of_the_lattice(phase, step):
    lat = 50 - step * (np.arange(80) + phase)
    lon = -20 + step * (np.arange(90) + phase)
    data = inputs(cells(0.5, 40, 52), cells(0.5, -22, -8), lat, lon)
    made_by = emulator(step, 0.5)
    whole = run(data, made_by)
    for first in range(1, 40, 7):
        target = data[["height"]].isel(
            lat_fine=slice(first, first + 23), lon_fine=slice(first + 3, first + 31)
        )
        part = run(data, made_by, target=target)
        same(whole.isel(lat=slice(first, first + 23), lon=slice(first + 3, first + 31)), part)


@pytest.mark.parametrize("count", [5, 12, 60, 300])
@pytest.mark.parametrize("step", [0.25, 0.1, 0.05, 1 / 12, 0.01, 1 / 120, 0.11, 0.7, 0.375])
@pytest.mark.parametrize("first", [-180, 0, 23])
def test_rounding_errors_are_distinguished_from_another_grid(step, first, count):
    exact = first + step * (np.arange(count) + 0.5)
    stored = [exact, exact.astype("f4").astype(float)]
    stored += [np.round(exact, 5)] if count > 5 else []
    for values in stored:
        found = regular_spacing(values)
        assert found is not None
        np.testing.assert_allclose(found, (exact[0], step), rtol=0, atol=1e-9)


@pytest.mark.parametrize("count", [48, 96, 320])
def test_gaussian_rows_are_not_regular(count):
    lat = gaussian(count)
    assert regular_spacing(lat) is None
    assert regular_spacing(lat[:12]) is None
