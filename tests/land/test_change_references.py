"""Rules of change: where they place it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import xai4land
from xai4land.errors import InputError
from xai4land_land.change.neighbourhood import gaussian_shares, inverse_square_shares
from xai4land_land.change.references import ChangeRule, change_reference


@pytest.fixture(scope="module")
def world():
    return xai4land.sample("land_history", years=[1990, 1998])


def test_gaussian_shares_are_scipys():
    from scipy.ndimage import gaussian_filter

    field = np.random.default_rng(0).random((20, 31)).astype(np.float32)
    made = gaussian_shares(torch.from_numpy(field)[None, None], 2.0)[0, 0]
    np.testing.assert_allclose(
        made, gaussian_filter(field, 2.0, mode="nearest", truncate=3.0), atol=1e-5
    )


def test_inverse_square_shares_are_scipys():
    from scipy.ndimage import convolve

    field = np.random.default_rng(0).random((20, 31)).astype(np.float32)
    down, across = np.mgrid[-3:4, -3:4]
    square = (down**2 + across**2).astype(float)
    weight = np.divide(1, square, out=np.zeros_like(square), where=square > 0)
    made = inverse_square_shares(torch.from_numpy(field)[None, None], 3)[0, 0]
    np.testing.assert_allclose(
        made, convolve(field, weight / weight.sum(), mode="nearest"), atol=1e-5
    )


@pytest.mark.parametrize(("weight", "best"), [(1.0, 7), (-1.0, 0)])
def test_a_constraint_decides_among_places_of_equal_density(weight, best):
    """By hand: density is zero everywhere, and the channel rises from west to east."""
    rule = ChangeRule(1, [3], 2, rule="suitability", constraints=[(1, 0, weight)])
    channel = torch.linspace(0, 1, 8).expand(1, 1, 8, 8)
    scores = rule(channel, torch.ones(1, 1, 8, 8, dtype=torch.long))
    assert (scores[0, 1].argmax(1) == best).all()
    # The square of the mean of no density and the full constraint.
    assert float(scores[0, 1].max()) == pytest.approx(2 * np.log(0.5), abs=1e-3)


def test_change_goes_where_constraints_suit_it(world):
    """Cropland, once in the lowlands and once in the highlands, with the same areas."""
    before = world.land_cover.sel(time="1990")
    height = []
    for weight in (-1.0, 1.0):
        rule = change_reference(
            "suitability",
            world,
            world.land_cover,
            radius=4,
            constraints={"cropland": {"elevation": weight}},
        )
        made = world.ai4land.reconstruct(rule, prior=before, precision="float32").compute()
        after = made.land_cover.sel(time="1998").squeeze().values
        new = (after == 2) & (before.squeeze().values != 2)
        height.append((float(world.elevation.values[new].mean()), int(new.sum())))
    (low, count), (high, as_many) = height
    assert low < high
    assert count == as_many > 100


@pytest.mark.parametrize(
    ("rule", "constraints", "message"),
    [
        ("density", {"cropland": {"elevation": 1.0}}, "give rule='suitability'"),
        ("suitability", {"orchard": {"elevation": 1.0}}, "'orchard', expected classes"),
        ("suitability", {"cropland": {"soil": 1.0}}, "by soil, which the data do not have"),
        ("suitability", {"cropland": {"elevation": 2.0}}, r"weights \[2.0\]"),
    ],
)
def test_odd_constraints_are_told(world, rule, constraints, message):
    with pytest.raises(InputError, match=message):
        change_reference(rule, world, world.land_cover, constraints=constraints)


def test_a_grid_of_one_cell_is_refused(world):
    one = world.isel(lat=[3], lon=[3])
    with pytest.raises(InputError, match="the states: one row and one column"):
        change_reference("density", one, world.land_cover)
