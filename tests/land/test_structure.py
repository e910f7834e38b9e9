"""The structure of maps beside the truth: boundaries, variograms, patches, borders of cells."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

import xai4land  # noqa: F401 (registers the accessor)
from xai4land import InputError

FLAGS = {"flag_values": np.array([0, 1, 2], "u1"), "flag_meanings": "wood field town"}


def as_map(codes) -> xr.DataArray:
    codes = np.asarray(codes, np.uint8)
    lat = 60 - 0.05 * (np.arange(codes.shape[-2]) + 0.5)
    lon = 0.05 * (np.arange(codes.shape[-1]) + 0.5)
    coords = {"lat": lat, "lon": lon}
    return xr.DataArray(codes, coords, ("lat", "lon"), attrs={**FLAGS, "_FillValue": np.uint8(255)})


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    truth = as_map(rng.integers(0, 3, (20, 30)))
    smooth = as_map(np.repeat(np.repeat(rng.integers(0, 3, (4, 6)), 5, 0), 5, 1))
    return truth, xr.Dataset({"land_cover": smooth, "land_cover_own": truth})


def differ(codes, lag):
    """How often pixels differ, written out."""
    pairs = [
        (codes[i, k], codes[i + a, k + b])
        for a, b in ((lag, 0), (0, lag))
        for i in range(codes.shape[0] - a)
        for k in range(codes.shape[1] - b)
        if 255 not in (codes[i, k], codes[i + a, k + b])
    ]
    return np.mean([one != other for one, other in pairs])


def test_each_map_stands_beside_the_truth(maps):
    truth, data = maps
    found = data.ai4land.score_structure(truth, lags=(2, 3), cells=0.25)
    assert found.source.values.tolist() == ["truth", "emulator", "own"]
    for source, made in (("truth", truth), ("emulator", data.land_cover), ("own", truth)):
        one = found.sel(source=source)
        np.testing.assert_allclose(one.variogram, [differ(made.values, lag) for lag in (2, 3)])
        assert float(one.boundary_density) == pytest.approx(differ(made.values, 1))
        pixels = np.bincount(made.values.ravel(), minlength=3)
        np.testing.assert_allclose((one.patches * one.patch_size).fillna(0), pixels)
    assert found.land_cover_class.values.tolist() == ["wood", "field", "town"]
    # All boundaries of the smooth map are borders of cells; nothing is misplaced in the truth.
    assert np.isnan(found.border_ratio.sel(source="emulator"))
    assert found.misplaced_area.sel(source=["truth", "own"]).values.tolist() == [0, 0]
    assert float(found.misplaced_area.sel(source="emulator")) > 0.3
    assert all(variable.attrs["long_name"] for variable in found.variables.values())


def test_pixels_that_a_map_does_not_know_count_in_none(maps):
    truth, data = maps
    holes = truth.where(np.random.default_rng(1).random(truth.shape) > 0.2, 255).astype("u1")
    found = data.ai4land.score_structure(holes.assign_attrs(truth.attrs), lags=(1,))
    made = np.where(holes == 255, 255, data.land_cover)
    assert float(found.variogram.sel(source="emulator")[0]) == pytest.approx(differ(made, 1))
    north = xr.zeros_like(truth, dtype=bool)
    north[:10] = True
    part = data.ai4land.score_structure(truth, where=north)
    own = data.isel(lat=slice(10)).ai4land.score_structure(truth[:10], lags=(1, 2, 4, 8))
    xr.testing.assert_allclose(part.patches, own.patches)
    assert float(part.boundary_density[0]) == pytest.approx(differ(truth.values[:10], 1))


def test_members_are_scored_one_by_one_and_lazily(maps):
    truth, data = maps
    drawn = xr.concat([data.land_cover, truth], "realization")
    out = xr.Dataset({"land_cover": drawn.assign_attrs(FLAGS), "land_cover_own": truth})

    def refuse(*_, **__):
        raise AssertionError("computed")

    lazy = out.chunk(lat=7, lon=11)
    with dask.config.set(scheduler=refuse):
        found = lazy.ai4land.score_structure(truth.chunk(lat=5), cells=0.25)
    whole = out.ai4land.score_structure(truth, cells=0.25)
    assert whole.source.values.tolist() == ["truth", "member_0", "member_1", "own"]
    xr.testing.assert_allclose(found.compute(), whole)
    np.testing.assert_allclose(whole.variogram[2], whole.variogram[0])


def test_what_cannot_be_measured_is_refused(maps):
    truth, data = maps
    for lags in ((), (0,), (1.5,), 2, "12"):
        with pytest.raises(InputError, match="lags="):
            data.ai4land.score_structure(truth, lags=lags)
    with pytest.raises(InputError, match="20 x 30 pixels"):
        data.ai4land.score_structure(truth, lags=(1, 20))
    with pytest.raises(InputError, match="cells='1.0', expected degrees"):
        data.ai4land.score_structure(truth, cells="1.0")
    with pytest.raises(InputError, match="cells=-1"):
        data.ai4land.score_structure(truth, cells=-1)
