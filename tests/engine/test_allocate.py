"""Allocation of change: counts are met exactly, as little changes as can, where it is likely."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land.heads.allocate import allocate, demanded_changes
from xai4land.windows.cells import Cells

GROUPS = torch.tensor([0, 1, 2])


def one_cell(fractions, shape):
    """Return one coarse cell over a box of pixels."""
    rows, columns = (torch.zeros(n, dtype=torch.int64) for n in shape)
    return Cells(rows, columns, torch.tensor(fractions, dtype=torch.float32)[:, None, None])


def random_case(seed, shape=(6, 5)):
    """Return a prior map, probabilities of new classes, and the counts that are wanted."""
    rng = np.random.default_rng(seed)
    prior = torch.from_numpy(rng.integers(0, 3, shape))
    likely = torch.from_numpy(rng.dirichlet([1, 1, 1], shape).transpose(2, 0, 1).astype("f4"))
    wanted = rng.multinomial(prior.numel(), rng.dirichlet([1, 1, 1]))
    return prior, likely, wanted


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1.0, 0.5]))
@settings(max_examples=60, deadline=None)
def test_counts_are_met_exactly(seed, threshold):
    prior, likely, wanted = random_case(seed)
    cell = one_cell(wanted / wanted.sum(), prior.shape)
    made = allocate(prior, likely, cell, GROUPS, threshold)
    assert np.bincount(made.ravel(), minlength=3).tolist() == wanted.tolist()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_no_more_pixels_change_than_must(seed):
    prior, likely, wanted = random_case(seed)
    made = allocate(prior, likely, one_cell(wanted / wanted.sum(), prior.shape), GROUPS)
    lacking = np.maximum(wanted - np.bincount(prior.ravel(), minlength=3), 0).sum()
    assert int((made != prior).sum()) == lacking


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0.3]))
@settings(max_examples=40, deadline=None)
def test_unchanged_fractions_change_nothing(seed, threshold):
    prior, likely, _ = random_case(seed)
    counts = np.bincount(prior.ravel(), minlength=3)
    cell = one_cell(counts / counts.sum(), prior.shape)
    assert torch.equal(allocate(prior, likely, cell, GROUPS, threshold), prior)


@pytest.mark.parametrize("seed", range(20))
def test_two_classes_are_placed_best(seed):
    """Of all maps with the wanted counts it has the largest sum of probabilities."""
    rng = np.random.default_rng(seed)
    prior = torch.from_numpy(rng.integers(0, 2, (2, 4)))
    second = torch.from_numpy(rng.random((2, 4)).astype("f4"))
    likely = torch.stack([1 - second, second])
    wanted = int(rng.integers(0, 9))
    cell = one_cell([1 - wanted / 8, wanted / 8], prior.shape)
    made = allocate(prior, likely, cell, torch.tensor([0, 1]))
    flat, old = second.ravel().numpy(), prior.ravel().numpy()
    change = wanted - old.sum()
    open_ = np.flatnonzero(old == 0) if change > 0 else np.flatnonzero(old == 1)
    gain = (2 * flat - 1) * np.sign(change)
    best = max(
        (sum(gain[list(some)]) for some in itertools.combinations(open_, abs(change))), default=0
    )
    moved = np.flatnonzero(made.ravel().numpy() != old)
    assert gain[moved].sum() == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_net_change_is_the_best_of_all_with_as_few_changes(seed):
    """SciPy's linear programme of the transport from losing to gaining classes is the reference."""
    optimize = pytest.importorskip("scipy.optimize")
    prior, likely, wanted = random_case(seed, (8, 8))
    made = allocate(prior, likely, one_cell(wanted / wanted.sum(), prior.shape), GROUPS).ravel()
    old, odds = prior.ravel().numpy(), torch.log(likely).reshape(3, -1).numpy()
    odds = odds - odds[old, np.arange(old.size)]
    lacking = wanted - np.bincount(old, minlength=3)
    moves = [(x, k) for x in range(old.size) for k in range(3) if lacking[old[x]] < 0 < lacking[k]]
    sums = np.zeros((3, len(moves)))
    once = np.zeros((old.size, len(moves)))
    for number, (pixel, new) in enumerate(moves):
        sums[new, number], sums[old[pixel], number], once[pixel, number] = 1, -1, 1
    cost = [-odds[new, pixel] for pixel, new in moves]
    best = -optimize.linprog(cost, once, np.ones(old.size), sums, lacking, bounds=(0, 1)).fun
    assert odds[made.numpy(), np.arange(old.size)].sum() == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_exchange_is_close_to_the_best_assignment(seed):
    """SciPy's assignment of pixels to places of classes is the independent reference."""
    optimize = pytest.importorskip("scipy.optimize")
    prior, likely, wanted = random_case(seed, (8, 8))
    threshold = 0.5
    made = allocate(
        prior, likely, one_cell(wanted / wanted.sum(), prior.shape), GROUPS, threshold
    ).ravel()
    value = likely.reshape(3, -1).clone()
    own = torch.nn.functional.one_hot(prior.ravel(), 3).T.bool()
    value[own] *= threshold
    places = np.repeat(np.arange(3), wanted)
    chosen, to = optimize.linear_sum_assignment(-value[places].numpy())
    best = float(value[places[chosen], to].sum())
    assert float(value.gather(0, made[None]).sum()) > 0.98 * best


def test_cells_with_missing_pixels_or_fractions_stay_as_they_are():
    prior = torch.tensor([[0, 1, -1, 1]])
    likely = torch.full((2, 1, 4), 0.5)
    columns = torch.tensor([0, 0, 1, 1])
    values = torch.tensor([[torch.nan, 0.0], [torch.nan, 1.0]])[:, None]
    cells = Cells(torch.zeros(1, dtype=torch.int64), columns, values)
    assert torch.equal(allocate(prior, likely, cells, torch.tensor([0, 1])), prior)


def test_a_slow_trend_moves_whole_pixels_and_never_back():
    """A class that grows by a tenth of a pixel a step gets its pixels, and keeps them."""
    counts, seen = torch.tensor([[16], [0], [0]]), []
    for step in range(1, 60):
        grown = step * 0.1
        wanted = torch.tensor([[16 - grown], [0.6 * grown], [0.4 * grown]]) / 16
        losses, gains = demanded_changes(wanted, counts, torch.tensor([16]))
        counts = counts + gains - losses
        seen.append(counts[:, 0].tolist())
    assert np.abs(np.array(seen[-1]) - [16 - 5.9, 3.54, 2.36]).max() < 1
    assert (np.diff(np.array(seen)[:, 1:], axis=0) >= 0).all()


def test_steady_fractions_between_whole_pixels_do_not_flicker():
    wanted = torch.tensor([[0.34], [0.33], [0.33]])
    counts, rng = torch.tensor([[3], [4], [3]]), np.random.default_rng(0)
    for _ in range(20):
        noisy = wanted + torch.from_numpy(rng.normal(0, 0.003, (3, 1))).float()
        losses, gains = demanded_changes(noisy / noisy.sum(), counts, torch.tensor([10]))
        assert not losses.any()
        assert not gains.any()
