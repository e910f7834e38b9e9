"""Where maps and regridded fields lie, for GIS tools."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from conftest import coordinate
from xai4land import open_store, regrid, write
from xai4land_land import reconstruct

ENDINGS = [".nc", ".zarr"]


@pytest.fixture(scope="module")
def cover(world, emulator):
    return reconstruct(world, emulator, probabilities=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_maps_have_a_grid_mapping_that_is_no_coordinate_to_files(cover, tmp_path, ending):
    mapping = cover.crs
    assert mapping.attrs["grid_mapping_name"] == "latitude_longitude"
    assert mapping.attrs["semi_major_axis"] == 6378137.0
    path = write(cover, tmp_path / f"map{ending}", progress=False)
    engine = {"engine": "zarr"} if ending == ".zarr" else {}
    with xr.open_dataset(path, decode_cf=False, **engine) as raw:
        for name in cover.data_vars:
            assert raw[name].attrs["grid_mapping"] == "crs"
            assert "crs" not in raw[name].attrs.get("coordinates", "")
    again = open_store(path)
    assert set(again.data_vars) == set(cover.data_vars)
    assert again.land_cover.attrs["grid_mapping"] == "crs"


@pytest.mark.parametrize("ending", ENDINGS)
def test_rasterio_sees_the_reference_system(cover, tmp_path, ending):
    pytest.importorskip("rioxarray")
    assert cover.confidence.rio.crs.to_epsg() == 4326
    again = open_store(write(cover, tmp_path / f"map{ending}", progress=False))
    assert again.confidence.rio.crs.to_epsg() == 4326


def test_time_is_first_and_classes_have_colours(cover, emulator):
    assert cover.land_cover_probability.dims == ("time", "land_cover_class", "lat", "lon")
    colours = [c.colour for c in emulator.card.outputs.classes]
    assert cover.land_cover.attrs["flag_colors"].split() == colours


def test_regridded_fields_have_the_targets_mapping(world):
    assert regrid(world[["wood"]], 30.0).wood.attrs["grid_mapping"] == "crs"
    target = xr.Dataset(
        {"datum": ((), 0, {"grid_mapping_name": "latitude_longitude", "epsg_code": "EPSG:4258"})},
        {"lat": coordinate("lat", np.arange(40.0, 50)), "lon": coordinate("lon", np.arange(9.0))},
    )
    made = regrid(world[["wood"]], target)
    assert made.wood.attrs["grid_mapping"] == "datum"
    assert made.datum.attrs["epsg_code"] == "EPSG:4258"
    assert "crs" not in made.variables
    array = regrid(world.wood, 30.0)
    assert array.crs.attrs["grid_mapping_name"] == "latitude_longitude"
    fractions = regrid(world[["truth"]].isel(time=[0]), 30.0, "fractions")
    assert fractions.truth_fraction.dims == ("time", "truth_class", "lat_fine", "lon_fine")


def test_a_rotated_target_keeps_its_mapping_and_axes(world):
    pole = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    axes = {
        name: xr.DataArray(values, dims=name, attrs={"standard_name": kind, "units": "degrees"})
        for name, kind, values in (
            ("rlat", "grid_latitude", np.linspace(-20, 20, 9)),
            ("rlon", "grid_longitude", np.linspace(-25, 15, 11)),
        )
    }
    target = xr.Dataset({"rotated_pole": ((), 0, pole)}, axes)
    made = regrid(world[["wood"]], target, "nearest")
    assert made.wood.attrs["grid_mapping"] == "rotated_pole"
    assert made.rotated_pole.attrs == pole
    np.testing.assert_array_equal(made.rlat, axes["rlat"])
    assert made.rlon.attrs["standard_name"] == "grid_longitude"
    assert made.lat.dims == ("rlat", "rlon")
