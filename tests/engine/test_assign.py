"""The map of least loss within bounds of areas, against linear programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from xai4land.heads.areas import (
    bound_counts,
    choose_within_areas,
    leave_out,
    round_to_pixels,
)
from xai4land.heads.assign import IMPOSSIBLE, assign, count_groups
from xai4land.windows.cells import Cells


def best_sum(score, fewest, most):
    """Return the largest sum of scores of one cell, by a linear program."""
    groups, pixels = score.shape
    of_group = np.tile(np.eye(groups), (1, pixels))
    found = linprog(
        -score.T.ravel().astype(float),
        np.concatenate([of_group, -of_group]),
        np.concatenate([most, -fewest]),
        np.kron(np.eye(pixels), np.ones((1, groups))),
        np.ones(pixels),
        bounds=(0, 1),
    )
    return -found.fun


def make_case(seed, groups, pixels, slack, spread):
    """Return scores and bounds that some map meets, of five cells."""
    rng = np.random.default_rng(seed)
    score = rng.integers(-spread, 1, (groups, pixels, 5))
    counts = np.stack(
        [rng.multinomial(pixels, rng.dirichlet(np.ones(groups))) for _ in range(5)], 1
    )
    fewest = np.maximum(counts - rng.integers(0, slack + 1, counts.shape), 0)
    return score, fewest, counts + rng.integers(0, slack + 1, counts.shape)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 7),
    st.integers(1, 16),
    st.integers(0, 3),
    st.sampled_from([1, 3, 1000]),  # few scores make many ties
)
def test_the_sum_of_scores_is_that_of_the_linear_program(seed, groups, pixels, slack, spread):
    score, fewest, most = make_case(seed, groups, pixels, slack, spread)
    places = torch.ones(pixels, 5, dtype=torch.bool)
    found = assign(
        *(torch.tensor(one) for one in (score,)), places, *map(torch.tensor, (fewest, most))
    )
    counts = count_groups(found, groups).numpy()
    assert ((counts >= fewest) & (counts <= most)).all()
    sums = np.take_along_axis(score, found.numpy()[None], 0)[0].sum(0)
    for cell in range(5):
        expected = best_sum(score[..., cell], fewest[:, cell], most[:, cell])
        assert sums[cell] == pytest.approx(expected)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_no_cell_depends_on_another(seed):
    score, fewest, most = (torch.tensor(one) for one in make_case(seed, 4, 12, 1, 3))
    places = torch.ones(12, 5, dtype=torch.bool)
    together = assign(score, places, fewest, most)
    for cell in range(5):
        part = slice(cell, cell + 1)
        alone = assign(score[..., part], places[:, part], fewest[:, part], most[:, part])
        assert torch.equal(alone, together[:, part])


def test_of_equal_pixels_the_first_moves():
    score = torch.tensor([[5, 5, 5], [0, 0, 0]])[..., None]
    bounds = torch.tensor([[2], [1]])
    found = assign(score, torch.ones(3, 1, dtype=torch.bool), bounds, bounds)
    assert count_groups(found, 2)[:, 0].tolist() == [2, 1]
    again = assign(score, torch.ones(3, 1, dtype=torch.bool), bounds - bounds, bounds)
    assert again[:, 0].tolist() == [1, 0, 0]


def test_what_is_impossible_is_not_chosen():
    score = torch.tensor([[9, 9, 9], [IMPOSSIBLE, -100, IMPOSSIBLE]])[..., None]
    bounds = torch.tensor([[2], [1]])
    found = assign(score, torch.ones(3, 1, dtype=torch.bool), bounds, bounds)
    assert found[:, 0].tolist() == [0, 1, 0]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 40))
def test_whole_pixels_add_up_and_differ_by_less_than_one(seed, groups, pixels):
    share = np.random.default_rng(seed).dirichlet(np.ones(groups), 4).T
    counts = round_to_pixels(torch.tensor(share), torch.full((4,), pixels)).numpy()
    assert (counts.sum(0) == pixels).all()
    assert (np.abs(counts - share * pixels) < 1).all()


def test_largest_remainders_get_the_pixels_that_are_left():
    counts = round_to_pixels(torch.tensor([[0.44], [0.36], [0.20]]), torch.tensor([7]))
    assert counts[:, 0].tolist() == [3, 3, 1]  # 3.08, 2.52, 1.40


def test_bounds_hold_what_the_tolerance_says():
    low, high = bound_counts(torch.tensor([[0.30], [0.70]]), torch.tensor([20]), 0.05)
    assert (low[:, 0].tolist(), high[:, 0].tolist()) == ([5, 13], [7, 15])
    low, high = bound_counts(torch.tensor([[torch.nan], [0.70]]), torch.tensor([20]), 0.0)
    assert (low[:, 0].tolist(), high[:, 0].tolist()) == ([0, 0], [20, 20])


def test_classes_of_one_group_share_its_area():
    cells = Cells(
        torch.zeros(1, dtype=torch.long),
        torch.zeros(4, dtype=torch.long),
        torch.tensor([0.25, 0.75])[:, None, None],
    )
    score = torch.tensor([[0.9, 0.9, 0.9, 0.9], [0.1, 0.5, 0.0, 0.2], [0.3, 0.4, 0.6, 0.1]])[
        :, None
    ]
    found = choose_within_areas(score, cells, torch.tensor([0, 1, 1]), 0.0)
    assert found[0].tolist() == [2, 1, 2, 0]


def test_pixels_outside_take_the_area_of_their_class():
    cells = Cells(
        torch.zeros(1, dtype=torch.long),
        torch.zeros(4, dtype=torch.long),
        torch.tensor([0.5, 0.25, 0.25])[:, None, None],
    )
    inside = torch.tensor([[True, True, False, False]])
    left = leave_out(cells, inside, 0, alone=True)
    np.testing.assert_allclose(left.values.ravel(), [0.0, 0.25, 0.25])
    score = torch.tensor([[0.9, 0.9, 0.9, 0.9], [0.5, 0.6, 0, 0], [0.1, 0.1, 0, 0]])[:, None]
    found = choose_within_areas(score, left, torch.tensor([0, 1, 2]), 0.0, inside)
    assert found[0].tolist() == [2, 1, -1, -1]
