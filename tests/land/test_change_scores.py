"""Scores of change against cases worked by hand, a slow plain version, and identities."""

from __future__ import annotations

import itertools
from collections import Counter

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from land_maps import FLAGS, UNKNOWN, data_of, map_of, three_maps
from xai4land import InputError, open_store, write
from xai4land_land import evaluate, flip_rates, plot_change, summarise

PARTS = ["hits", "misses", "false_alarms", "wrong_hits"]

# Pixel by pixel: persistence, hit, wrong hit; persistence, false alarm, miss;
# persistence, miss, persistence.
PRIOR = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
TRUTH = [[0, 1, 2], [1, 1, 0], [2, 0, 2]]
MADE = [[0, 1, 1], [1, 0, 1], [2, 2, 2]]


@pytest.fixture(scope="module")
def by_hand():
    scores = evaluate(data_of(MADE), map_of(TRUTH), prior=map_of(PRIOR), factors=(1, 3))
    return scores.sel(source="emulator")


def test_parts_and_figure_of_merit_by_hand(by_hand):
    for name, count in zip((*PARTS, "persistence"), (1, 2, 1, 1, 4), strict=True):
        assert float(by_hand[name].sel(factor=1)) == pytest.approx(count / 9), name
    assert float(by_hand.figure_of_merit.sel(factor=1)) == pytest.approx(1 / 5)
    # In one window of all pixels, wood -> field and field -> wood are hit wherever they are;
    # wood -> town was expected as wood -> field, and town -> wood is missed.
    for name, count in zip((*PARTS, "persistence"), (2, 1, 0, 1, 5), strict=True):
        assert float(by_hand[name].sel(factor=3)) == pytest.approx(count / 9, abs=1e-8), name
    assert float(by_hand.figure_of_merit.sel(factor=3)) == pytest.approx(2 / 4)


def test_disagreement_by_hand(by_hand):
    # Pixels of wood, field, town: 3, 3, 3 in the truth, 2, 4, 3 in the map; 4 of 9 disagree.
    assert float(by_hand.accuracy) == pytest.approx(5 / 9)
    assert float(by_hand.quantity_disagreement) == pytest.approx(1 / 9)
    assert float(by_hand.allocation_disagreement) == pytest.approx(3 / 9)


def test_transitions_gains_and_losses_by_hand(by_hand):
    wood_to = by_hand.sel(from_class="wood")
    nan = np.nan
    np.testing.assert_allclose(wood_to.observed_transition * 9, [nan, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(wood_to.simulated_transition * 9, [nan, 2, 0], rtol=1e-6)
    np.testing.assert_allclose(wood_to.transition_precision, [nan, 1 / 2, nan], rtol=1e-6)
    np.testing.assert_allclose(wood_to.transition_recall, [nan, 1, 0])
    np.testing.assert_allclose(wood_to.transition_f1, [nan, 2 / 3, 0], rtol=1e-6)
    expected = {
        "observed_gain": [2, 1, 1],
        "observed_loss": [2, 1, 1],
        "simulated_gain": [1, 2, 0],
        "simulated_loss": [2, 1, 0],
    }
    for name, counts in expected.items():
        np.testing.assert_allclose(by_hand[name] * 9, counts, rtol=1e-6, err_msg=name)


def plain_parts(prior, truth, made, size):
    """Count hits, misses, false alarms, wrong hits pixel by pixel, window by window."""
    seen, simulated = {}, {}
    for place, p, t, m in zip(
        np.ndindex(truth.shape), prior.ravel(), truth.ravel(), made.ravel(), strict=True
    ):
        window = (*place[:-2], place[-2] // size, place[-1] // size)
        if UNKNOWN not in (p, t, m):
            seen.setdefault((window, p), Counter())[t] += 1
            simulated.setdefault((window, p), Counter())[m] += 1
    total = np.zeros(4)
    for key, changes in seen.items():
        both = changes & simulated[key]  # the smaller of the two counts, by class
        left, more = changes - both, simulated[key] - both
        # Among what is left, changes meet changes as far as possible.
        observed = sum(t != key[1] for t in left.elements())
        expected = sum(m != key[1] for m in more.elements())
        wrong = min(observed, expected)
        hits = sum(n for t, n in both.items() if t != key[1])
        total += [hits, observed - wrong, expected - wrong, wrong]
    return total


maps = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=15)
@given(maps, st.integers(1, 7), st.integers(1, 7), st.booleans())
def test_a_slow_plain_version_agrees(seed, rows, columns, ascending):
    prior, truth, made = three_maps(seed, (2, rows, columns))
    known = (prior != UNKNOWN) & (truth != UNKNOWN) & (made != UNKNOWN)
    arrays = [map_of(made), map_of(truth), map_of(prior)]
    if ascending:
        arrays = [array.isel(lat=slice(None, None, -1)) for array in arrays]
    scores = evaluate(data_of(arrays[0]), arrays[1], prior=arrays[2], factors=(1, 2, 3))
    scores = scores.isel(source=0)
    for size in (1, 2, 3) if known.any() else ():
        wide = np.broadcast_to(prior, truth.shape)
        expected = plain_parts(wide, truth, made, size) / known.sum()
        found = [float(scores[name].sel(factor=size)) for name in PARTS]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    for p, t in itertools.permutations(range(3), 2):
        if known.any():
            share = (known & (prior == p) & (truth == t)).sum() / known.sum()
            assert float(scores.observed_transition[p, t]) == pytest.approx(share, abs=1e-6)


@settings(deadline=None, max_examples=15)
@given(maps)
def test_identities(seed):
    prior, truth, made = three_maps(seed, (9, 9))
    data = data_of(map_of(made, lat=60.0, step=0.5), perfect=map_of(truth, lat=60.0, step=0.5))
    others = (map_of(array, lat=60.0, step=0.5) for array in (truth, prior))
    scores = evaluate(data, next(others), prior=next(others), factors=(2, 4))
    disagreement = scores.quantity_disagreement + scores.allocation_disagreement
    np.testing.assert_allclose(disagreement, 1 - scores.accuracy, atol=1e-12)
    observed = scores.observed_transition.sum(("from_class", "to_class"))
    simulated = scores.simulated_transition.sum(("from_class", "to_class"))
    both = scores.hits + scores.wrong_hits
    np.testing.assert_allclose(both + scores.misses, observed.broadcast_like(both), atol=1e-12)
    np.testing.assert_allclose(
        both + scores.false_alarms, simulated.broadcast_like(both), atol=1e-12
    )
    np.testing.assert_allclose(both + scores.misses + scores.false_alarms + scores.persistence, 1)
    # A window of four pixels a side holds four of two, so nothing that was hit is lost.
    assert (scores.hits.diff("factor") >= -1e-12).all()
    if float(observed[0]) > 0:
        np.testing.assert_allclose(scores.figure_of_merit.sel(source="perfect"), 1)
        np.testing.assert_allclose(scores.figure_of_merit.sel(source="persistence"), 0)
    for way in ("observed", "simulated"):
        gain, loss = (scores[f"{way}_{what}"].sum("land_cover_class") for what in ("gain", "loss"))
        np.testing.assert_allclose(gain, loss)


@settings(deadline=None, max_examples=8)
@given(maps, st.integers(1, 9), st.integers(1, 9))
def test_lazy_maps_in_any_chunks_give_the_same_and_nothing_is_computed(seed, rows, columns):
    prior, truth, made = three_maps(seed, (2, 20, 30))
    where = {"lat": 57.0, "lon": -3.0, "step": 0.3}
    arrays = [map_of(array, **where) for array in (made, truth, prior)]
    how = {"factors": (1, 3, 5), "blocks": 2.0}
    plain = evaluate(data_of(arrays[0]), arrays[1], prior=arrays[2], **how)
    lazy = [array.chunk(lat=rows, lon=columns) for array in arrays]
    with dask.config.set(scheduler=lambda *args, **kwargs: pytest.fail("computed")):
        scores = evaluate(data_of(lazy[0]), lazy[1].chunk(lat=7), prior=arrays[2], **how)
    assert all(variable.chunks for variable in scores.data_vars.values())
    xr.testing.assert_allclose(plain, scores.compute())


def test_windows_of_a_cut_region_are_those_of_the_whole():
    prior, truth, made = (map_of(a, lat=55, lon=10, step=1.0) for a in three_maps(3, (30, 40)))
    part = {"lat": slice(6, 24), "lon": slice(4, 28)}
    outside = xr.ones_like(truth, bool)
    outside[part] = False
    masked = truth.where(~outside, UNKNOWN).assign_attrs(FLAGS)
    whole = evaluate(data_of(made), masked, prior=prior, factors=(4,))
    cut = evaluate(data_of(made.isel(part)), truth, prior=prior, factors=(4,))
    xr.testing.assert_allclose(whole[PARTS], cut[PARTS])


def test_change_placed_at_random_has_the_figure_of_merit_of_chance():
    rng = np.random.default_rng(0)
    share = 0.2
    truth, made = (map_of(rng.random((500, 500)) < share) for _ in range(2))
    scores = evaluate(data_of(made), truth, prior=map_of(np.zeros((500, 500))))
    merit = scores.figure_of_merit.sel(source="emulator", factor=1)
    assert float(merit) == pytest.approx(share / (2 - share), abs=0.003)


def test_intervals_are_those_of_independent_blocks():
    """400 blocks of one pixel each, at the equator: the normal interval of a share."""
    rng = np.random.default_rng(1)
    size = (20, 20)
    truth = np.zeros(size)
    made, other = ((rng.random(size) < p).astype(np.uint8) for p in (0.2, 0.3))
    where = {"step": 0.1, "lat": 0.95, "lon": 10.05}
    data = data_of(map_of(made, **where), other=map_of(other, **where))
    scores = evaluate(data, map_of(truth, **where), blocks=0.1)

    def normal(values):
        half = 1.645 * values.std() / 20
        return [values.mean() - half, values.mean() + half]

    found = scores.accuracy_interval
    for source, values in (("emulator", 1 - made), ("other", 1 - other)):
        np.testing.assert_allclose(found.sel(source=source), normal(values), atol=0.006)
    gain = scores.accuracy_gain_interval.sel(source="other")
    np.testing.assert_allclose(gain, normal(other * 1.0 - made), atol=0.006)
    np.testing.assert_array_equal(scores.accuracy_gain_interval.sel(source="emulator"), 0)
    again = evaluate(data, map_of(truth, **where), blocks=0.1)
    xr.testing.assert_identical(scores.drop_attrs(), again.drop_attrs())


def test_too_few_blocks_have_no_interval():
    scores = evaluate(data_of(MADE), map_of(TRUTH), prior=map_of(PRIOR), blocks=1.0)
    assert scores.accuracy_interval.isnull().all()
    assert scores.figure_of_merit_gain_interval.isnull().all()


def test_every_source_is_compared_on_the_pixels_that_all_know():
    made = np.array(MADE)
    made[0, 1] = UNKNOWN
    scores = evaluate(data_of(made), map_of(TRUTH), prior=map_of(PRIOR))
    persistence = scores.sel(source="persistence", factor=1)
    assert float(persistence.misses) == pytest.approx(3 / 8)
    assert float(persistence.accuracy) == pytest.approx(5 / 8)


def test_codes_of_the_prior_merge_as_those_of_the_truth_do():
    flags = {"flag_values": np.array([1, 8, 12], np.uint8)}
    truth = map_of([[1, 8], [12, 12]]).assign_attrs(
        flags, flag_meanings="evergreen_needleleaf_forest woody_savanna cropland"
    )
    names = "forest nonforest_natural cropland"
    made = map_of([[0, 1], [2, 0]]).assign_attrs(flag_meanings=names)
    prior = truth.copy(data=np.array([[1, 8], [12, 1]], np.uint8))
    scores = evaluate(data_of(made), truth, prior=prior).sel(source="emulator", factor=1)
    assert float(scores.misses) == pytest.approx(1 / 4)
    assert float(scores.persistence) == pytest.approx(3 / 4)


def test_the_priors_own_year_is_not_scored():
    series = map_of([PRIOR, MADE])
    truth = map_of([PRIOR, TRUTH])
    one = evaluate(data_of(MADE), map_of(TRUTH), prior=map_of(PRIOR))
    for prior in (2000, series.isel(time=0), series.isel(time=[0])):
        found = evaluate(data_of(series), truth, prior=prior)
        np.testing.assert_allclose(found.figure_of_merit, one.figure_of_merit, rtol=1e-6)


def test_priors_that_cannot_be_compared_are_refused():
    series, truth = map_of([PRIOR, MADE]), map_of([TRUTH, TRUTH])
    data = data_of(series)
    with pytest.raises(InputError, match="prior has 2 steps.*isel"):
        evaluate(data, truth, prior=series)
    with pytest.raises(InputError, match="no map of 1999 .there are those of 2000, 2001"):
        evaluate(data, truth, prior=1999)
    with pytest.raises(InputError, match="both of 2001, expected a prior of an earlier"):
        evaluate(data.isel(time=[1]), truth, prior=map_of(PRIOR, year=2001))
    with pytest.raises(InputError, match="prior is at 0.002°.*target=prior"):
        evaluate(data, truth, prior=map_of(PRIOR, step=0.002))
    strange = map_of(PRIOR).assign_attrs(flag_meanings="wood field moor")
    with pytest.raises(InputError) as caught:
        evaluate(data, truth.isel(time=[0]), prior=strange)
    assert len(caught.value.problems) == 2  # the prior's class and the truth's year
    with pytest.raises(InputError) as caught:
        evaluate(data, truth, prior=2000, factors=(0, 3), blocks=-1)
    assert len(caught.value.problems) == 2


def test_text_has_change_and_intervals(tmp_path):
    prior, truth, made = (map_of(a, step=0.5) for a in three_maps(5, (40, 40)))
    scores = evaluate(data_of(made), truth, prior=prior, factors=(1, 4), blocks=2)
    table = summarise(scores)
    assert table.index.tolist() == ["emulator", "persistence"]
    assert table.loc["persistence", "figure_of_merit"] == 0
    row = table.loc["emulator"]
    assert row.figure_of_merit == pytest.approx(
        row.hits / (row.hits + row.misses + row.false_alarms + row.wrong_hits)
    )
    assert row.figure_of_merit_lower < row.figure_of_merit < row.figure_of_merit_upper
    assert table.loc["persistence", "figure_of_merit_gain_lower"] == row.figure_of_merit_lower
    kept = open_store(write(scores, tmp_path / "scores.nc", progress=False))
    xr.testing.assert_allclose(kept.figure_of_merit, scores.figure_of_merit)


def test_flips_by_hand():
    # Along each row: A A A, A B A (a return), A B B, A B C, and one that is unknown at first.
    values = [[[0, 0, 0, 0, 255]], [[0, 1, 1, 1, 1]], [[0, 0, 1, 2, 0]]]
    rates = flip_rates(data_of(map_of(np.array(values)))).isel(source=0)
    np.testing.assert_allclose(rates.flip_rate, [3 / 4, 3 / 5])
    np.testing.assert_allclose(rates.return_share, [np.nan, 1 / 4])
    assert rates.time.dt.year.values.tolist() == [2001, 2002]
    with pytest.raises(InputError, match="at least two"):
        flip_rates(data_of(map_of(values[0])))


def test_flips_of_lazy_series_are_lazy_and_weighted():
    values = np.random.default_rng(0).integers(0, 3, (4, 6, 8))
    series = map_of(values, lat=80.0, step=10)
    data = data_of(series, nearest=series)
    lazy = flip_rates(data.chunk(time=1, lat=4))
    assert lazy.flip_rate.chunks
    xr.testing.assert_allclose(lazy.compute(), flip_rates(data))
    weights = np.cos(np.deg2rad(series.lat.values))[:, None] * np.ones(8)
    flips = ((values[1:] != values[:-1]) * weights).sum((1, 2)) / weights.sum()
    returns = (values[1:-1] != values[:-2]) & (values[2:] == values[:-2])
    np.testing.assert_allclose(lazy.flip_rate.sel(source="nearest"), flips)
    np.testing.assert_allclose(
        lazy.return_share.sel(source="emulator")[1:],
        (returns * weights).sum((1, 2)) / weights.sum(),
    )


def test_a_picture_of_change():
    figure = plot_change(data_of(map_of([PRIOR, MADE])), map_of([PRIOR, TRUTH]), 2000)
    [axis] = figure.axes
    assert axis.get_title() == "change to 2001: figure of merit 0.200"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["hits 11.11 %", "misses 22.22 %"]
    colours = axis.images[0].get_array().reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 5
    with pytest.raises(InputError, match="there are 2 steps"):
        plot_change(data_of(map_of([PRIOR, MADE])), map_of([PRIOR, TRUTH]), 2000, time=2)
