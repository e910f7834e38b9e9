"""Fitting to coarse fractions, and where windows lie."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land.emulator import Window
from xai4land.heads.conserve import conserve
from xai4land.windows.cells import Cells
from xai4land.windows.lattice import Windows


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(2, 6))
def test_fractions_are_met_and_probabilities_sum_to_one(seed, classes, ratio):
    rng = np.random.default_rng(seed)
    side = 3 * ratio
    probability = rng.dirichlet(np.ones(classes), (side, side)).transpose(2, 0, 1)
    fractions = rng.dirichlet(np.ones(classes), (3, 3)).transpose(2, 0, 1)
    index = torch.arange(side) // ratio
    cells = Cells(index, index, torch.tensor(fractions, dtype=torch.float32))
    fitted = conserve(
        torch.tensor(probability, dtype=torch.float32), cells, torch.arange(classes), 300
    ).numpy()
    mean = fitted.reshape(classes, 3, ratio, 3, ratio).mean((2, 4))
    np.testing.assert_allclose(mean, fractions, atol=2e-3)
    np.testing.assert_allclose(fitted.sum(0), 1, atol=1e-5)


def test_fitting_keeps_the_odds_ratios():
    """The closest distribution in relative entropy keeps cross ratios (Csiszar 1975)."""
    rng = np.random.default_rng(1)
    probability = torch.tensor(rng.dirichlet(np.ones(2), (2, 2)).transpose(2, 0, 1)).float()
    zero = torch.zeros(2, dtype=torch.long)
    cells = Cells(zero, zero, torch.tensor([0.3, 0.7])[:, None, None])
    fitted = conserve(probability, cells, torch.arange(2), 500)

    def ratio(p):
        return (p[0, 0, 0] * p[1, 1, 1] / (p[1, 0, 0] * p[0, 1, 1])).item()

    assert abs(ratio(fitted) / ratio(probability) - 1) < 1e-3


def test_classes_that_share_states_are_fitted_together():
    rng = np.random.default_rng(2)
    probability = torch.tensor(rng.dirichlet(np.ones(3), (4, 4)).transpose(2, 0, 1)).float()
    zero = torch.zeros(4, dtype=torch.long)
    cells = Cells(zero, zero, torch.tensor([0.2, 0.8])[:, None, None])
    fitted = conserve(probability, cells, torch.tensor([0, 1, 1]), 200)
    assert abs(fitted[0].mean().item() - 0.2) < 1e-3
    # Within a group the pixel's own odds are kept.
    np.testing.assert_allclose(fitted[1] / fitted[2], probability[1] / probability[2], rtol=1e-3)


def test_cells_with_missing_fractions_are_left_alone():
    probability = torch.full((2, 2, 2), 0.5)
    zero = torch.zeros(2, dtype=torch.long)
    cells = Cells(zero, zero, torch.full((2, 1, 1), torch.nan))
    np.testing.assert_allclose(conserve(probability, cells, torch.arange(2)), 0.5)


@given(st.integers(4, 90), st.integers(8, 180), st.integers(8, 40), st.floats(0, 0.5), st.data())
def test_windows_cover_every_pixel_the_same_from_any_box(rows, columns, size, share, data):
    windows = Windows((rows, columns), Window(size=size, overlap=int(size * share)))
    top = data.draw(st.integers(0, rows - 1))
    left = data.draw(st.integers(-columns, 2 * columns))
    height, width = data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, columns))

    def find_offsets(box_rows, box_columns, pixel):
        """Offsets of a pixel in the windows that hold it."""
        return sorted(
            (pixel[0] - r, pixel[1] - c)
            for r, c in windows.find_corners(box_rows, box_columns)
            if 0 <= pixel[0] - r < size and 0 <= pixel[1] - c < size
        )

    pixel = (top, left)
    expected = find_offsets((top, top + 1), (left, left + 1), pixel)
    assert expected
    assert expected == find_offsets((top, top + height), (left, left + width), pixel)
    wrapped = (top, left + columns)
    assert expected == find_offsets((top, top + 1), (left + columns, left + columns + 1), wrapped)
