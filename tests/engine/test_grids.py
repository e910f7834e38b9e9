"""Axes and grids: matrices against plain versions, coordinates by CF metadata."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from conftest import coordinate
from xai4land import InputError
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid, target_grid


def test_linear_interpolation_agrees_with_numpy():
    axis = Axis(np.linspace(80, -80, 17))
    points = np.linspace(79, -79, 200)
    values = np.random.default_rng(0).normal(size=17)
    start, matrix = axis.resampling_matrix(points, 0.8)
    found = matrix @ values[start : start + matrix.shape[1]]
    # Positions are rounded to 1e-6 of a cell.
    expected = np.interp(points, axis.values[::-1], values[::-1])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_irregular_latitudes_are_interpolated_between_neighbours():
    axis = Axis(np.array([0.0, 1.0, 3.0, 7.0]))
    start, matrix = axis.resampling_matrix(np.array([2.0, 5.0]), 0.5)
    np.testing.assert_allclose(matrix @ axis.values[start : start + matrix.shape[1]], [2.0, 5.0])


@given(st.integers(2, 9), st.integers(2, 6))
def test_finer_data_are_averaged_exactly(cells, ratio):
    fine = Axis(np.arange(cells * ratio) + 0.5)
    centres = (np.arange(cells) + 0.5) * ratio
    start, matrix = fine.resampling_matrix(centres, float(ratio))
    values = np.random.default_rng(cells).normal(size=cells * ratio)
    found = matrix @ values[start : start + matrix.shape[1]]
    expected = values.reshape(cells, ratio).mean(1) if ratio > 1 else values
    np.testing.assert_allclose(found, expected)


@given(st.floats(-720, 720), st.floats(0.05, 40))
def test_weights_sum_to_one_and_wrap(west, spacing):
    axis = Axis(np.arange(36) * 10.0 + 5, periodic=True)
    points = west + spacing * np.arange(20)
    _, matrix = axis.resampling_matrix(points, spacing)
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert (matrix >= 0).all()


def test_longitudes_across_the_date_line_are_unwrapped():
    lon = coordinate("lon", np.array([170.0, 175.0, 180.0, -175.0, -170.0]))
    lat = coordinate("lat", np.array([10.0, 5.0]))
    grid = Grid.of(xr.DataArray(np.zeros((2, 5)), coords={"lat": lat, "lon": lon}))
    assert grid.shape == (2, 5)
    np.testing.assert_allclose(np.diff(grid.lon.values), 5)


def array(lat, lon):
    coords = {"lat": coordinate("lat", np.array(lat)), "lon": coordinate("lon", np.array(lon))}
    return xr.DataArray(np.zeros((len(lat), len(lon))), coords=coords, dims=("lat", "lon"))


def test_coordinates_are_found_by_attributes_before_names():
    named = array([1.0, 2.0], [3.0, 4.0]).rename(lat="this", lon="that")
    assert Grid.of(named).names == ("this", "that")
    misled = named.assign_coords(lat=("this", [5.0, 6.0]))
    assert Grid.of(misled).names == ("this", "that")


@pytest.mark.parametrize(
    "names", [("lat", "lon"), ("latitude", "longitude"), ("nav_lat", "nav_lon")]
)
def test_usual_names_need_no_attributes(names):
    bare = xr.DataArray(np.zeros((2, 3)), dict(zip(names, ([1, 2], [3, 4, 5]), strict=True)), names)
    assert Grid.of(bare).names == names
    assert Grid.of(bare.to_dataset(name="x")).shape == (2, 3)


def test_ambiguous_names_are_refused():
    two = xr.Dataset(coords={"lat": [1.0, 2.0], "lat_2": [1.0, 2.0, 3.0], "lon": [3.0, 4.0]})
    with pytest.raises(InputError, match=r"found 2 \(lat, lat_2\)"):
        Grid.of(two)
    with pytest.raises(InputError, match="rename yours to 'lat'"):
        Grid.of(xr.Dataset(coords={"x": [1.0, 2.0], "y": [3.0, 4.0]}))


@pytest.mark.parametrize(
    ("units", "message"),
    [("radian", "'radian', expected degrees.*rad2deg"), ("degrees_east", "expected degrees")],
)
def test_units_of_coordinates_are_read(units, message):
    data = array([0.1, 0.2], [0.3, 0.4])
    data.lat.attrs = {"standard_name": "latitude", "units": units}
    with pytest.raises(InputError, match=message):
        Grid.of(data)


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        ([1.0, 1.0, 2.0], [3.0, 4.0], "duplicated values.*drop_duplicates"),
        ([1.0, 3.0, 2.0], [3.0, 4.0], "not sorted.*sortby"),
        ([1.0, 2.0, 95.0], [3.0, 4.0], "latitudes reach 95"),
        ([1.0, np.nan, 2.0], [3.0, 4.0], "missing values"),
        ([1.0, 2.0], [0.0, 2.0, 1.0, 3.0], "longitudes are not sorted"),
        ([1.0, 2.0], [3.0, 2.0, 1.0], "longitudes are not sorted"),
        ([1.0, 2.0], [-180.0, -90.0, 0.0, 90.0, 180.0], "more than the globe"),
    ],
)
def test_bad_coordinates_are_refused_with_a_fix(lat, lon, message):
    with pytest.raises(InputError, match=message):
        Grid.of(array(lat, lon))


def test_two_dimensional_coordinates_are_refused_with_a_fix():
    lat, lon = np.meshgrid([1.0, 2.0], [3.0, 4.0])
    data = xr.DataArray(
        np.zeros((2, 2)),
        dims=("y", "x"),
        coords={
            "lat": (("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
        },
    )
    with pytest.raises(InputError, match="curvilinear.*xESMF"):
        Grid.of(data)


def test_unstructured_coordinates_are_refused_with_a_fix():
    attrs = {"standard_name": "latitude", "units": "degrees_north"}
    data = xr.DataArray(
        np.zeros(3),
        dims="cell",
        coords={
            "lat": ("cell", [1.0, 2.0, 3.0], attrs),
            "lon": (
                "cell",
                [1.0, 2.0, 3.0],
                {"standard_name": "longitude", "units": "degrees_east"},
            ),
        },
    )
    with pytest.raises(InputError, match="unstructured"):
        Grid.of(data)


@pytest.mark.parametrize("west", [-180.0, 0.0, 55.0])
def test_the_lattice_is_the_same_wherever_a_grid_starts(west):
    lon = np.mod(west + 0.125 + 0.25 * np.arange(1440) + 180, 360) - 180
    grid = Grid.of(array(89.875 - 0.25 * np.arange(720), lon))
    assert grid.lattice_shape == (720, 1440)
    assert grid.lon.periodic
    column = grid.lattice_origin[1]
    assert (-180 + 0.25 * (column + 0.5)) % 360 == pytest.approx((west + 0.125) % 360)


def test_a_target_coarser_than_the_states_is_refused():
    states = Grid.of(array([2.5, 1.5, 0.5], [0.5, 1.5, 2.5]))
    with pytest.raises(InputError, match="coarser"):
        target_grid(2.0, states, states)


@pytest.mark.parametrize("resolution", [0.0, -1.0, 500.0])
def test_an_impossible_resolution_is_refused(resolution):
    states = Grid.of(array([2.5, 1.5, 0.5], [0.5, 1.5, 2.5]))
    with pytest.raises(InputError, match="resolution in degrees"):
        target_grid(resolution, states, states)


def test_a_target_resolution_covers_the_domain_of_the_states():
    states = Grid.of(array([2.5, 1.5, 0.5], [0.5, 1.5, 2.5]))
    grid = target_grid(0.25, states, states)
    assert grid.shape == (12, 12)
    np.testing.assert_allclose(grid.lat.values[[0, -1]], [2.875, 0.125])
    np.testing.assert_allclose(grid.lon.values[[0, -1]], [0.125, 2.875])


@pytest.mark.filterwarnings("error")
def test_axes_of_one_cell_are_equal_where_the_cell_is():
    one, same, other = (Axis(np.array([value])) for value in (40.0, 40.0, 41.0))
    assert one == same
    assert one != other
