"""Rasters on map projections, brought to latitudes and longitudes."""

import numpy as np
import pytest
import xarray as xr

import xai4land
from xai4land.errors import InputError

pyproj = pytest.importorskip("pyproj")

RADIUS = 6371.0


def raster(epsg=3035, step=20_000.0, south=1_500_000, west=2_500_000, count=(150, 140), **attrs):
    y = south + step * (np.arange(count[0]) + 0.5)
    x = west + step * (np.arange(count[1]) + 0.5)
    to_globe = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True)
    lon, lat = to_globe.transform(*np.meshgrid(x, y[::-1]))
    return xr.Dataset(
        {
            "lat_of": (("y", "x"), lat, {"grid_mapping": "spatial_ref"}),
            "lon_of": (("y", "x"), lon, {"grid_mapping": "spatial_ref"}),
            "one": (("y", "x"), np.ones_like(lat), {"grid_mapping": "spatial_ref"}),
        },
        {
            "y": ("y", y[::-1], {"standard_name": "projection_y_coordinate", "units": "m"}),
            "x": ("x", x, {"standard_name": "projection_x_coordinate", "units": "m"}),
            "spatial_ref": ((), 0, pyproj.CRS(epsg).to_cf()),
        },
    )


def region(step=1.0, south=42, north=56, west=2, east=20):
    lat, lon = np.arange(south + step / 2, north, step), np.arange(west + step / 2, east, step)
    return xr.Dataset(coords={"lat": lat, "lon": lon})


def test_nearest_is_the_cell_that_contains_the_point():
    data, target = raster(), region(0.5)
    made = xai4land.regrid(data, target, "nearest", engine="xarray-regrid")
    assert made.lat_of.dims == ("lat", "lon")
    to_plane = pyproj.Transformer.from_crs(4326, 3035, always_xy=True)
    x, y = to_plane.transform(*np.meshgrid(target.lon, target.lat))
    right = data.sel(
        x=xr.DataArray(x, dims=("lat", "lon")),
        y=xr.DataArray(y, dims=("lat", "lon")),
        method="nearest",
    )
    np.testing.assert_allclose((made.lat_of == right.lat_of.values).mean(), 1, atol=0.02)
    assert abs(made.lat_of - target.lat).max() < 0.13


@pytest.mark.parametrize("epsg", [3035, 32632, 3857])
@pytest.mark.parametrize("step", [1.0, 0.25])
def test_area_means_of_smooth_fields_are_integrals(epsg, step):
    box = {"south": 46, "north": 50, "west": 7, "east": 11, "step": step}
    to_plane = pyproj.Transformer.from_crs(4326, epsg, always_xy=True)
    x, y = to_plane.transform([6, 6, 12, 12, 9, 9], [45, 51, 45, 51, 45, 51])
    size = 4_000.0
    count = int((max(y) - min(y)) / size) + 2, int((max(x) - min(x)) / size) + 2
    data = raster(epsg, size, min(y), min(x), count)
    target = region(**box)
    made = xai4land.regrid(data, target, engine="xarray-regrid")
    np.testing.assert_allclose(made.one, 1, rtol=1e-12)
    # The mean of the latitude over a cell between two parallels, analytically.
    low, high = (np.deg2rad(target.lat.values + k * step / 2) for k in (-1, 1))
    mean = (high * np.sin(high) + np.cos(high) - low * np.sin(low) - np.cos(low)) / (
        np.sin(high) - np.sin(low)
    )
    right = np.rad2deg(mean)[:, None] + np.zeros(target.lon.size)
    # Cells of 4 km have one value each: means are off by what varies within a cell at the edges.
    np.testing.assert_allclose(made.lat_of, right, atol=0.005)
    np.testing.assert_allclose(
        made.lon_of, made.lon.values + np.zeros_like(right), atol=0.02 * step + 0.01
    )


def test_total_area_is_kept():
    data, target = raster(), region(0.5, 30, 75, -40, 80)
    made = xai4land.regrid(data.one, target, engine="xarray-regrid", min_coverage=0)
    from xai4land.regridding.detect import read_grid, read_target
    from xai4land.regridding.engines import get_operator

    source, wanted = read_grid(data.one, data, "one"), read_target(target, None)
    share = get_operator("xarray-regrid", "overlap", source, wanted)(data.one.values[None])[0]
    height = np.diff(np.sin(np.deg2rad(wanted.rows)))
    width = np.deg2rad(np.diff(wanted.columns))
    total = float((share * (height * width.T)).sum())
    # The projection keeps areas; the sphere stands for the ellipsoid of its authalic radius.
    assert total * RADIUS**2 == pytest.approx(150 * 140 * 20**2, rel=5e-3)
    assert share.max() <= 1 + 1e-12
    assert ((share > 0.999999) == (share > 0.9999999999)).all()
    np.testing.assert_allclose(made.where(made.notnull(), 1), 1, rtol=1e-12)


def test_classes_keep_their_areas():
    data = raster()
    classes = (
        (data.lon_of > 10)
        .astype("uint8")
        .assign_attrs(
            flag_values=np.uint8([0, 1]), flag_meanings="west east", grid_mapping="spatial_ref"
        )
    )
    target = region(1.0)
    made = xai4land.regrid(classes.rename("c"), target, "majority", engine="xarray-regrid")
    np.testing.assert_array_equal(made, np.broadcast_to(target.lon > 10, made.shape))


def test_degrees_as_the_target_lazy_data_and_metadata():
    data = raster().chunk(y=50)
    made = xai4land.regrid(data, 1.0, engine="xarray-regrid")
    assert made.one.chunks is not None
    assert made.one.shape == (180, 360)
    assert "spatial_ref" not in made.variables
    assert made[made.one.attrs["grid_mapping"]].attrs["grid_mapping_name"] == "latitude_longitude"
    assert not {"x", "y"} & set(made.coords)
    seen = int(made.one.notnull().sum())
    assert 900 < seen < 1250  # 8.4 million km2, cells of about 7,900


def test_what_is_wrong_with_a_projection_is_said(monkeypatch):
    data, target = raster(), region()
    with pytest.raises(InputError, match=r"nothing says which.*pyproj\.CRS\(3035\)"):
        xai4land.regrid(data.drop_vars("spatial_ref"), target)
    with pytest.raises(InputError, match="needs an engine|curvilinear"):
        xai4land.regrid(data, target, "bilinear", engine="xarray-regrid")
    with pytest.raises(InputError, match=r"not sorted; run ds\.sortby"):
        xai4land.regrid(data.isel(x=[0, 5, 3]), target)
    data.spatial_ref.attrs = {"crs_wkt": "PROJCS[nonsense"}
    with pytest.raises(InputError, match="no projection that pyproj knows"):
        xai4land.regrid(data, target)


def test_elsewhere_the_remedy_is_named():
    from xai4land.grids.grid import Grid

    with pytest.raises(InputError, match=r"projected; bring it.*xai4land\.regrid\(ds, 0\.1\)"):
        Grid.of(raster())
