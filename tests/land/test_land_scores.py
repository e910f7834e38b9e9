"""Scores against a case worked by hand, and against a plain version."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import coordinate
from xai4land import InputError, open_store, write
from xai4land_land import evaluate, plot_scores, summarise

MEANINGS = {"flag_values": np.array([0, 1, 2], np.uint8), "flag_meanings": "wood field town"}


def map_of(values, lat=None, lon=None):
    values = np.asarray(values)
    lat = coordinate("lat", np.array([0.5, -0.5][: values.shape[0]]) if lat is None else lat)
    lon = coordinate("lon", 0.5 + np.arange(values.shape[1]) if lon is None else lon)
    return xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon"), attrs=MEANINGS)


def test_a_case_worked_by_hand():
    """Eight pixels at the equator, where all areas are the same."""
    truth = map_of(np.array([[0, 0, 0, 0], [1, 1, 1, 255]], np.uint8))
    made = map_of(np.array([[0, 0, 0, 1], [1, 1, 0, 2]], np.uint8))
    scores = evaluate(made.to_dataset(name="land_cover"), truth).sel(source="emulator")
    # wood: 3 right, 1 missed, 1 false; field: 2 right, 1 missed, 1 false; town: not in the truth.
    assert float(scores.accuracy) == pytest.approx(5 / 7)
    np.testing.assert_allclose(scores.iou, [3 / 5, 2 / 4, np.nan])
    np.testing.assert_allclose(scores.f1, [6 / 8, 4 / 6, np.nan])
    assert float(scores.mean_iou) == pytest.approx((0.6 + 0.5) / 2)
    assert float(scores.macro_f1) == pytest.approx((0.75 + 2 / 3) / 2)
    assert float(scores.confusion.sum()) == pytest.approx(1)
    assert float(scores.confusion.sel(true_class="wood", land_cover_class="field")) == (
        pytest.approx(1 / 7)
    )


def test_pixels_count_by_their_area():
    lat = np.array([60.0, 0.0])
    truth = map_of(np.array([[0], [1]], np.uint8).repeat(2, 1), lat)
    made = map_of(np.array([[1], [1]], np.uint8).repeat(2, 1), lat)
    accuracy = evaluate(made.to_dataset(name="land_cover"), truth).accuracy
    assert float(accuracy[0]) == pytest.approx(1 / 1.5)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 9))
def test_lazy_maps_in_any_chunks_give_the_same(seed, rows, columns):
    rng = np.random.default_rng(seed)
    lat, lon = 80.0 - 7 * np.arange(20), 0.5 + np.arange(30)
    truth = map_of(rng.choice([0, 1, 2, 255], (20, 30)).astype(np.uint8), lat, lon)
    made = map_of(rng.choice([0, 1, 2, 255], (20, 30)).astype(np.uint8), lat, lon)
    data = made.to_dataset(name="land_cover")
    plain = evaluate(data, truth)
    lazy = evaluate(data.chunk(lat=rows, lon=columns), truth)
    assert lazy.confusion.chunks is not None
    xr.testing.assert_allclose(plain, lazy.compute())
    weights = np.cos(np.deg2rad(lat))[:, None] * np.ones(30)
    known = (truth.values != 255) & (made.values != 255)
    right = weights[known & (truth.values == made.values)].sum() / weights[known].sum()
    assert float(plain.accuracy[0]) == pytest.approx(right)


def test_truth_read_as_floats_with_gaps_is_understood():
    truth = map_of(np.array([[0.0, np.nan], [1.0, 1.0]]))
    made = map_of(np.array([[0, 0], [1, 0]], np.uint8))
    accuracy = evaluate(made.to_dataset(name="land_cover"), truth).accuracy
    assert float(accuracy[0]) == pytest.approx(2 / 3)


def test_truth_on_the_other_longitudes_upside_down_or_larger_is_matched():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, (18, 36)).astype(np.uint8)
    truth = map_of(values, 85.0 - 10 * np.arange(18), -175.0 + 10 * np.arange(36))
    made = truth.to_dataset(name="land_cover")
    east = truth.assign_coords(lon=truth.lon.copy(data=truth.lon.values % 360)).sortby("lon")
    for other in (truth, east, east.isel(lat=slice(None, None, -1))):
        assert float(evaluate(made, other).accuracy[0]) == 1
        part = made.isel(lat=slice(3, 9), lon=slice(20, 30))
        assert float(evaluate(part, other).accuracy[0]) == 1


def test_years_are_matched_and_missing_ones_named(world, emulator):
    made = world.ai4land.reconstruct(emulator)
    truth = world.truth
    assert 0 < float(evaluate(made, truth).compute().accuracy[0]) <= 1
    with pytest.raises(InputError, match="lacks the years 2001 .*has 2000"):
        evaluate(made, truth.isel(time=[0]))
    with pytest.raises(InputError, match="only one has a time axis"):
        evaluate(made, truth.isel(time=0, drop=True))


def test_other_resolutions_and_classes_are_refused():
    truth = map_of(np.array([[0, 1], [1, 0]], np.uint8))
    made = truth.to_dataset(name="land_cover")
    coarse = map_of(np.array([[0, 1], [1, 0]], np.uint8), lon=np.array([1.0, 3.0]))
    with pytest.raises(InputError, match=r"target=truth"):
        evaluate(made, coarse)
    with pytest.raises(InputError, match="map has no class moor"):
        evaluate(made, truth.assign_attrs(flag_meanings="wood field moor"))
    with pytest.raises(InputError, match="no pixel in common"):
        evaluate(made, truth.assign_coords(lon=truth.lon.copy(data=truth.lon.values + 90)))


def test_text_and_picture(world, emulator):
    scores = world.ai4land.reconstruct(emulator).ai4land.evaluate(world.truth)
    table = scores.ai4land.summarise()
    assert table.index.tolist() == ["emulator", "bilinear", "nearest"]
    assert {"accuracy", "mean_iou", "macro_f1", "IoU town"} <= set(table)
    assert table.loc["emulator", "IoU town"] == float(
        scores.iou.sel(source="emulator", land_cover_class="town")
    )
    assert len(plot_scores(scores).axes) == 2
    with pytest.raises(InputError, match="no accuracy.*evaluate"):
        world.ai4land.summarise()


def test_a_class_that_the_truth_lacks_is_no_column():
    truth = map_of(np.array([[0, 0], [1, 1]], np.uint8))
    made = map_of(np.array([[0, 2], [1, 1]], np.uint8))
    table = summarise(evaluate(made.to_dataset(name="land_cover"), truth))
    assert [c for c in table if c.startswith("IoU")] == ["IoU wood", "IoU field"]
    assert table.loc["emulator", "IoU field"] == 1


def test_scores_can_be_kept(world, emulator, tmp_path):
    scores = world.ai4land.reconstruct(emulator).ai4land.evaluate(world.truth)
    kept = open_store(write(scores, tmp_path / "scores.nc", progress=False))
    pd.testing.assert_frame_equal(summarise(kept), summarise(scores))
