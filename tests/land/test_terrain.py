"""Slope, aspect, roughness and distance to the coast, on the sphere."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import xai4land  # noqa: F401 (registers the accessor)
from xai4land import InputError

RADIUS = 6_371_000.0


def as_height(values, lat, lon, **attrs) -> xr.DataArray:
    attrs = {"units": "m"} | attrs
    return xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon"), "elevation", attrs)


def harmonics(lat, lon):
    """Heights of a smooth planet, and their derivatives to the north and east."""
    f, t = np.deg2rad(lat)[:, None], np.deg2rad(lon)
    z = 3000 * np.sin(f) * np.cos(f) * np.cos(t) + 2000 * np.cos(f) ** 2 * np.sin(2 * t)
    north = 3000 * np.cos(2 * f) * np.cos(t) - 2000 * np.sin(2 * f) * np.sin(2 * t)
    east = -3000 * np.sin(f) * np.sin(t) + 4000 * np.cos(f) * np.cos(2 * t)
    return z, north / RADIUS, east / RADIUS


@pytest.mark.parametrize("first", [-180, 0])
@pytest.mark.parametrize("order", [1, -1])
def test_slopes_are_those_of_calculus_up_to_the_poles_and_across_the_date_line(first, order):
    errors = []
    for step in (2.0, 1.0):
        lat = np.arange(-90 + step / 2, 90, step)[::order]
        lon = first + np.arange(step / 2, 360, step)
        z, north, east = harmonics(lat, lon)
        found = as_height(z, lat, lon).ai4land.terrain()
        slope = np.hypot(north, east)
        error = abs(found.slope - np.rad2deg(np.arctan(slope)))
        errors.append(float(error.max()))
        steep = slope > 1e-4
        for name, part in (("aspect_cosine", north), ("aspect_sine", east)):
            expected = np.where(steep, -part / slope, 0)
            assert abs(found[name].where(steep) - expected).max() < 0.02
    assert errors[0] < 6e-5  # of .045 degrees
    assert errors[1] < 0.3 * errors[0]  # of second order, everywhere


def test_a_plane_at_the_equator_is_what_horns_formula_says():
    rng = np.random.default_rng(0)
    z = rng.normal(0, 100, (5, 5))
    lat, lon = np.array([0.02, 0.01, 0, -0.01, -0.02]), np.arange(5) / 100
    found = as_height(z, lat, lon).ai4land.terrain().isel(lat=2, lon=2)
    (a, b, c), (d, _, f), (g, h, i) = z[1:4, 1:4]
    cell = RADIUS * np.deg2rad(0.01)
    east = (c + 2 * f + i - a - 2 * d - g) / (8 * cell)
    north = (a + 2 * b + c - g - 2 * h - i) / (8 * cell)
    slope = np.hypot(east, north)
    np.testing.assert_allclose(found.slope, np.rad2deg(np.arctan(slope)), rtol=1e-5)
    np.testing.assert_allclose(found.aspect_cosine, -north / slope, rtol=1e-5)
    np.testing.assert_allclose(found.aspect_sine, -east / slope, rtol=1e-5)
    np.testing.assert_allclose(found.roughness, np.ptp(z[1:4, 1:4]), rtol=1e-6)


@pytest.mark.skipif(not shutil.which("gdaldem"), reason="gdaldem is not installed")
def test_gdal_agrees_at_low_latitudes(tmp_path):
    lat, lon = 1 - np.arange(0.005, 2, 0.01), np.arange(0.005, 2, 0.01)
    rng = np.random.default_rng(1)
    z = rng.normal(0, 200, (lat.size, lon.size)).astype("f4")
    head = f"ncols {lon.size}\nnrows {lat.size}\nxllcorner 0\nyllcorner -1\ncellsize 0.01\n"
    np.savetxt(tmp_path / "z.asc", z, header=head + "NODATA_value -9999", comments="", fmt="%.4f")
    scale = str(RADIUS * np.pi / 180)
    command = ["gdaldem", "slope", "z.asc", "slope.xyz", "-of", "XYZ", "-s", scale, "-q"]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected = np.loadtxt(tmp_path / "slope.xyz")[:, 2].reshape(z.shape)
    found = as_height(z, lat, lon).ai4land.terrain().slope.values
    np.testing.assert_allclose(found[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=1e-3)


def test_sea_is_missing_and_land_beside_it_has_the_slope_of_the_land():
    lat, lon = np.arange(-3, 4) / 10, np.arange(7) / 10
    rising = 0.02 * RADIUS * np.deg2rad(lon) + 0 * lat[:, None]
    rising[:, :2] = np.nan
    found = as_height(rising, lat, lon).ai4land.terrain()
    assert found.slope.isnull().sum() == 14
    np.testing.assert_allclose(found.slope[:, 2:], np.rad2deg(np.arctan(0.02)), rtol=1e-4)
    np.testing.assert_allclose(found.aspect_sine[:, 2:], -1)
    one = as_height(np.where(np.eye(7) > 0, 5.0, np.nan), lat, lon).ai4land.terrain()
    assert float(one.slope.max()) == 0  # an island of one cell
    assert (one.aspect_cosine.fillna(0) == 0).all()


def test_a_row_on_the_pole_has_no_direction_but_its_neighbours_have():
    lat, lon = np.arange(-90, 91, 2.0), np.arange(0, 360, 2.0)
    z, north, east = harmonics(lat, lon)
    found = as_height(z, lat, lon).ai4land.terrain()
    assert found.slope.isnull().values.sum() == 2 * lon.size
    assert found.roughness.notnull().all()
    expected = np.rad2deg(np.arctan(np.hypot(north, east)))
    assert abs(found.slope - expected).max() < 1e-3


def test_neither_units_nor_chunks_nor_the_order_of_coordinates_matter():
    lat, lon = 89 - 2.0 * np.arange(90), np.arange(-179, 180, 2.0)
    height = as_height(harmonics(lat, lon)[0], lat, lon)
    height = height.where(height > -500)
    whole = height.ai4land.terrain()
    parts = height.chunk(lat=37, lon=50).ai4land.terrain()
    assert parts.slope.chunks
    xr.testing.assert_identical(parts.compute(), whole)
    km = (height / 1000).assign_attrs(units="km").ai4land.terrain()
    xr.testing.assert_allclose(km, whole, atol=1e-4)
    turned = height.isel(lat=slice(None, None, -1)).assign_coords(lon=lon % 360).sortby("lon")
    back = turned.ai4land.terrain()
    back = back.assign_coords(lon=(back.lon + 180) % 360 - 180).sortby(["lon", "lat"])
    xr.testing.assert_allclose(back, whole.sortby("lat"), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.drop_attrs(), "units"),
        (lambda d: d.assign_attrs(units="K"), "K"),
        (lambda d: d.expand_dims(level=[1, 2]), "the elevation has"),
        (lambda d: d.isel(lat=[0]), "1 rows and 4 columns, expected at least 2"),
        (lambda d: xr.Dataset({"a": d, "b": d}).drop_attrs(), "a, b; give elevation="),
        (lambda _: xr.Dataset(), "no maps"),
    ],
)
def test_what_is_no_elevation_is_refused(change, words):
    height = as_height(np.zeros((4, 4)), np.arange(4.0), np.arange(4.0))
    with pytest.raises(InputError, match=words):
        change(height).ai4land.terrain()


@settings(max_examples=40, deadline=None)
@given(
    arrays(bool, (6, 8)).filter(lambda land: land.any() and not land.all()),
    st.booleans(),
    st.booleans(),
)
def test_the_coast_is_as_far_as_the_nearest_of_all_cells(land, around, lazy):
    lat = np.linspace(-75, 75, 6)
    lon = np.arange(8) * (45.0 if around else 30.0)
    mask = xr.DataArray(land, {"lat": lat, "lon": lon}, ("lat", "lon"), name="land")
    found = (mask.chunk(lat=2) if lazy else mask).ai4land.coast_distance()
    phi, theta = (part.ravel() for part in np.meshgrid(*map(np.deg2rad, (lat, lon)), indexing="ij"))
    a = np.sin((phi[:, None] - phi) / 2) ** 2  # haversine
    b = np.cos(phi[:, None]) * np.cos(phi) * np.sin((theta[:, None] - theta) / 2) ** 2
    between = 2 * RADIUS / 1000 * np.arcsin(np.sqrt(np.clip(a + b, 0, 1)))
    other = land.ravel()[:, None] != land.ravel()
    nearest = np.where(other, between, np.inf).min(1).reshape(land.shape)
    expected = np.where(land, nearest, -nearest)
    np.testing.assert_allclose(found.coast_distance, expected, rtol=1e-3)


def test_the_coast_comes_from_fractions_or_missing_heights():
    lat, lon = np.arange(3.0), np.arange(4.0)
    share = xr.DataArray(
        np.tile([0.0, 40, 60, 100], (3, 1)), {"lat": lat, "lon": lon}, ("lat", "lon")
    )
    percent = share.assign_attrs(units="%", standard_name="land_area_fraction")
    data = xr.Dataset({"sftlf": percent, "elevation": share.where(share > 50)})
    by_value = data.ai4land.coast_distance("sftlf")
    xr.testing.assert_identical(data.ai4land.coast_distance("elevation"), by_value)
    assert by_value.coast_distance[0].values.round().tolist() == [-222, -111, 111, 222]
    with pytest.raises(InputError, match="no land at all"):
        (share * 0).ai4land.coast_distance()
    with pytest.raises(InputError, match="no sea in the mask"):
        (share * 0 + 1).ai4land.coast_distance()
