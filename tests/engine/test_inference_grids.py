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


def make_emulator(target: float, states: float):
    resolution = Resolution(target=target, states=states)
    window = Window(size=SIZE, overlap=4)
    return random_emulator(
        small_card().with_(resolution=resolution.model_dump(), window=window.model_dump())
    )


def make_inputs(lat, lon, fine_lat, fine_lon) -> xr.Dataset:
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


def cell_centres(step: float, first: float, last: float) -> np.ndarray:
    """Return the centres of the cells between two edges."""
    return first + step * (np.arange(round((last - first) / step)) + 0.5)


def run(data, emulator, **options) -> xr.Dataset:
    options = {"precision": "float32", "probabilities": True, **options}
    return reconstruct(data, emulator, **options).compute()


def assert_same_map(one: xr.Dataset, other: xr.Dataset) -> None:
    """Assert equal classes and, to 1e-5, equal probabilities, pixel by pixel."""
    np.testing.assert_array_equal(one.land_cover.values, other.land_cover.values)
    found, expected = (result.land_cover_probability.values for result in (one, other))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_region_almost_around_the_globe_does_not_depend_on_chunks():
    """A window in the gap has its nearest cells at both ends, each pixel its own."""
    data = make_inputs(
        cell_centres(10, 20, 60),
        cell_centres(10, -170, 170),
        *(cell_centres(2.5, *e) for e in EDGES),
    )
    emulator = make_emulator(2.5, 10)
    assert_same_map(run(data, emulator), run(data, emulator, chunks=30))


EDGES = (20, 60), (-170, 170)


def test_static_features_of_a_region_work_with_a_global_target_from_0_to_360():
    data = make_inputs(
        cell_centres(10, -40, 40),
        cell_centres(10, 0, 360),
        cell_centres(2.5, -40, 40),
        cell_centres(2.5, -60, 60),
    )
    target = xr.Dataset(
        coords={
            "lat": coordinate("lat", cell_centres(2.5, -40, 40)),
            "lon": coordinate("lon", cell_centres(2.5, 0, 360)),
        }
    )
    result = run(data, make_emulator(2.5, 10), target=target)
    assert_same_map(result, run(data, make_emulator(2.5, 10), target=target, chunks=(32, 20)))
    known = (result.land_cover.values != 255).all(0)
    east = (result.lon.values + 180) % 360 - 180
    np.testing.assert_array_equal(known, np.abs(east) < 60)


@pytest.mark.parametrize("chunks", [(24, 141), (10, 20)])
def test_each_cell_of_a_region_counts_once_under_a_global_target(chunks):
    """The first cell begins at the date line, where the target ends."""
    data = make_inputs(
        cell_centres(10, 0, 60),
        cell_centres(10, -180, -70),
        cell_centres(2.5, 0, 60),
        cell_centres(2.5, -180, 180),
    )
    lon = coordinate("lon", cell_centres(2.5, 180, 540))
    target = xr.Dataset(coords={"lat": coordinate("lat", cell_centres(2.5, 0, 60)), "lon": lon})
    emulator = make_emulator(2.5, 10)
    assert_same_map(
        run(data, emulator, target=target), run(data, emulator, target=target, chunks=chunks)
    )


def test_the_cell_of_a_pixel_on_an_edge_does_not_depend_on_the_order_of_rows():
    fine = cell_centres(0.2, 40, 46), cell_centres(0.2, 0, 8)
    data = make_inputs(cell_centres(0.5, 40, 46), cell_centres(0.5, 0, 8), *fine)
    emulator = make_emulator(0.2, 0.5)
    up = run(data, emulator)
    for reversed_dim in ("lat", "lat_fine"):
        down = run(data.isel({reversed_dim: slice(None, None, -1)}), emulator)
        assert_same_map(up.sortby("lat"), down.sortby("lat"))


@pytest.mark.parametrize(("fine", "coarse"), [(0.05, 0.25), (0.1, 0.25)])
def test_float32_coordinates_do_not_matter(fine, coarse):
    """The first meridian and the part of the target do not matter either."""
    lat, lon = (40, 46), (170, 180)
    exact = make_inputs(
        cell_centres(coarse, *lat),
        cell_centres(coarse, *lon),
        cell_centres(fine, *lat),
        cell_centres(fine, *lon),
    )
    names = ("lat", "lon", "lat_fine", "lon_fine")
    rounded = exact.assign_coords(
        {n: exact[n].copy(data=exact[n].values.astype("f4")) for n in names}
    )
    west = exact.assign_coords(
        {n: exact[n].copy(data=(exact[n].values - 360).astype("f4")) for n in names if "lon" in n}
    )
    emulator = make_emulator(fine, coarse)
    result = run(exact, emulator)
    assert_same_map(result, run(rounded, emulator))
    assert_same_map(result, run(west, emulator))
    target = rounded[["height"]].isel(lat_fine=slice(21, 34), lon_fine=slice(50, 61))
    part = run(rounded, emulator, target=target)
    assert_same_map(result.isel(lat=slice(21, 34), lon=slice(50, 61)), part)


def test_coordinates_rounded_to_decimals_do_not_matter():
    fine, coarse = cell_centres(1 / 12, 40, 44), cell_centres(1 / 2, 40, 44)
    exact = make_inputs(coarse, cell_centres(1 / 2, 0, 6), fine, cell_centres(1 / 12, 0, 6))
    rounded = exact.assign_coords(
        {n: exact[n].copy(data=np.round(exact[n].values, 4)) for n in exact.coords}
    )
    emulator = make_emulator(1 / 12, 1 / 2)
    assert_same_map(run(exact, emulator), run(rounded, emulator))


@pytest.mark.parametrize("west", np.arange(-20, -19, 0.05).round(2))
def test_a_resolution_over_float32_states_gives_the_same_target(west):
    """One case has an edge of the states midway between two pixels."""
    exact = make_inputs(
        cell_centres(0.05, 40, 42),
        cell_centres(0.05, west, west + 2),
        *(cell_centres(0.02, 40, 42),) * 2,
    )
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
    lat, lon = cell_centres(0.1, 40, 44).astype("f4"), cell_centres(0.1, 0, 6).astype("f4")
    data = make_inputs(cell_centres(0.5, 40, 44), cell_centres(0.5, 0, 6), lat, lon)
    result = run(data, make_emulator(0.1, 0.5))
    np.testing.assert_array_equal(result.lat, lat)
    np.testing.assert_array_equal(result.lon, lon)


def gaussian_rows(count: int) -> np.ndarray:
    return np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(count)[0]))[::-1]


def test_gaussian_rows_extend_to_the_poles_and_can_be_subset():
    lat, lon = gaussian_rows(48), cell_centres(3.75, 0, 360)
    data = make_inputs(lat, lon, cell_centres(1.25, -90, 90)[::-1], cell_centres(1.25, 0, 360))
    emulator = make_emulator(1.25, 3.75)
    full_map = run(data, emulator)
    assert (full_map.land_cover.values != 255).all()
    part = run(data.isel(lat=slice(3, 33)), emulator)
    inner = full_map.lat.values
    inner = inner[(inner < lat[3] - 1.25 * (SIZE + 1)) & (inner > lat[32] + 1.25 * (SIZE + 1))]
    assert inner.size > 20
    assert_same_map(full_map.sel(lat=inner), part.sel(lat=inner))


@pytest.mark.parametrize("chunks", [(10, 144), (5, 30)])
def test_irregular_rows_do_not_depend_on_chunks(chunks):
    """Fractions are conserved over whole cells, and some are larger than others."""
    edges = np.array([-90, -60, -45, -35, -10, 0, 5, 15, 20, 50, 60, 90.0])
    data = make_inputs(
        (edges[1:] + edges[:-1]) / 2,
        cell_centres(10, -180, 180),
        cell_centres(2.5, -90, 90),
        cell_centres(2.5, 0, 360),
    )
    emulator = make_emulator(2.5, 10)
    assert_same_map(run(data, emulator), run(data, emulator, chunks=chunks))


def test_beyond_irregular_rows_the_map_is_missing():
    lat = np.array([41.0, 44, 48, 53, 59])
    data = make_inputs(
        lat, cell_centres(10, 0, 360), cell_centres(2.5, -90, 90), cell_centres(2.5, 0, 360)
    )
    result = run(data, make_emulator(2.5, 10))
    known = result.lat.values[(result.land_cover.values != 255).any(1)]
    assert known.min() == 41.25  # the first cell ends at 39.5, the last one at 62
    assert known.max() == 61.25


@pytest.mark.parametrize("step", [0.1, 0.11])
@pytest.mark.parametrize("phase", [0, 0.25, 0.5, 0.75])
def test_windows_do_not_depend_on_the_part_of_the_lattice(phase, step):
    lat = 50 - step * (np.arange(80) + phase)
    lon = -20 + step * (np.arange(90) + phase)
    data = make_inputs(cell_centres(0.5, 40, 52), cell_centres(0.5, -22, -8), lat, lon)
    emulator = make_emulator(step, 0.5)
    full_map = run(data, emulator)
    for first in range(1, 40, 7):
        target = data[["height"]].isel(
            lat_fine=slice(first, first + 23), lon_fine=slice(first + 3, first + 31)
        )
        part = run(data, emulator, target=target)
        assert_same_map(
            full_map.isel(lat=slice(first, first + 23), lon=slice(first + 3, first + 31)), part
        )


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
    lat = gaussian_rows(count)
    assert regular_spacing(lat) is None
    assert regular_spacing(lat[:12]) is None


def test_a_regional_cut_gives_the_region(world, emulator):
    """The static inputs are still global; the map follows the states."""
    for box, shape in (
        ({"lat": slice(2, 9), "lon": slice(4, 15)}, (28, 44)),
        ({"lat": slice(2, 9), "lon": slice(30, 36)}, (28, 24)),
    ):
        cut = world.isel(box)
        made = reconstruct(cut, emulator, precision="float32").compute()
        assert made.land_cover.shape[1:] == shape
        assert (made.land_cover != 255).all()
        np.testing.assert_allclose(made.lat_bnds.values[0, 0], cut.lat.values[0] + 5)
        np.testing.assert_allclose(made.lon_bnds.values[-1, 1], cut.lon.values[-1] + 5)
        asked = reconstruct(cut, emulator, target=world.truth, precision="float32").compute()
        assert asked.land_cover.shape[1:] == (72, 144)
        inside = asked.land_cover.values[:, 8:36, 4 * box["lon"].start : 4 * box["lon"].stop]
        np.testing.assert_array_equal(inside, made.land_cover)


def test_a_region_across_the_date_line_of_the_fine_inputs_is_whole(world, emulator):
    turned = world.roll(lon=18, roll_coords=True)
    turned = turned.assign_coords(lon=turned.lon.copy(data=turned.lon.values % 360))
    made = reconstruct(turned.isel(lon=slice(14, 22)), emulator).compute()
    assert made.land_cover.shape[1:] == (72, 32)
    assert (np.diff(made.lon.values) > 0).all()
    assert (made.land_cover != 255).all()
