"""Holes of a prior map are filled with what its coarse cells have beyond the known pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land.heads.filling import fill_holes
from xai4land.windows.cells import Cells

SHAPE, SIDE, CLASSES = (8, 12), 4, 3


def cells_of(truth):
    """Return the fractions of a whole map in cells of 4 x 4 pixels."""
    rows, columns = (torch.arange(n) // SIDE for n in SHAPE)
    blocks = (truth == np.arange(CLASSES)[:, None, None]).reshape(CLASSES, 2, SIDE, 3, SIDE)
    return Cells(rows, columns, torch.from_numpy(blocks.mean((2, 4)).astype("f4")))


def random_case(seed):
    """Return a map, what is known of it, and probabilities that have nothing to do with it."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, SHAPE)
    known = np.where(rng.random(SHAPE) < rng.random(), truth, -1)
    likely = rng.dirichlet([1] * CLASSES, SHAPE).transpose(2, 0, 1).astype("f4")
    return truth, torch.from_numpy(known), torch.from_numpy(likely)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_filled_cells_have_their_fractions_and_known_pixels_stay(seed):
    truth, known, likely = random_case(seed)
    cells = cells_of(truth)
    made = fill_holes(known, likely, cells, torch.arange(CLASSES))
    assert torch.equal(cells_of(made.numpy()).values, cells.values)
    assert torch.equal(made[known >= 0], known[known >= 0])


def test_the_sea_beyond_a_coast_is_sea_whatever_is_likely():
    truth, known, _ = random_case(0)
    sea = np.zeros(SHAPE, bool)
    sea[:, 5:] = True
    truth[sea], known = 2, torch.from_numpy(np.where(sea, -1, truth % 2))
    land = torch.tensor([0.9, 0.1, 0.0])[:, None, None].expand(CLASSES, *SHAPE)
    made = fill_holes(known, land, cells_of(np.where(sea, 2, truth % 2)), torch.arange(CLASSES))
    assert (made.numpy()[sea] == 2).all()


def test_the_most_probable_pixel_takes_a_class():
    known = torch.full(SHAPE, -1)
    truth = np.zeros(SHAPE, int)
    truth[0, 0] = 1  # one pixel of its cell, wherever
    likely = torch.full((CLASSES, *SHAPE), 0.2)
    likely[1, 2, 3] = 0.6
    made = fill_holes(known, likely, cells_of(truth), torch.arange(CLASSES))
    assert made.nonzero().tolist() == [[2, 3]]


def test_classes_of_a_group_share_its_fraction():
    truth, known, likely = random_case(1)
    groups = torch.tensor([0, 1, 1])
    cells = cells_of(np.minimum(truth, 1))
    cells = cells._replace(values=cells.values[:2])
    made = fill_holes(known, likely, cells, groups)
    assert torch.equal(cells_of(np.minimum(made.numpy(), 1)).values[:2], cells.values)


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_probabilities_decide_where_fractions_say_nothing(value):
    _, known, likely = random_case(2)
    cells = cells_of(np.zeros(SHAPE, int))
    cells = cells._replace(values=torch.full_like(cells.values, value))
    made = fill_holes(known, likely, cells, torch.arange(CLASSES))
    assert (made >= 0).all()
    assert len(np.unique(made[known < 0])) > 1
