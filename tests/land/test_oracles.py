"""Placing at random keeps the amounts of each cell, and changes no more than it must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import coordinate
from land_maps import data_of, map_of, three_maps
from xai4land import InputError
from xai4land_land import evaluate
from xai4land_land.oracles import place_by_truth, place_randomly


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_amounts_of_each_cell_are_the_truths_with_the_least_change(seed):
    prior, truth, _ = (map_of(a, step=0.5, lat=9.75, lon=0.25) for a in three_maps(seed, (8, 12)))
    made = place_randomly(prior, truth, cell=2.0)
    known = (prior.values != 255) & (truth.values != 255)
    np.testing.assert_array_equal(made.values[~known], prior.values[~known])
    for rows in range(0, 8, 4):
        for columns in range(0, 12, 4):
            cell = np.s_[rows : rows + 4, columns : columns + 4]
            inside = known[cell]
            counts = [
                np.bincount(array.values[cell][inside], minlength=3)
                for array in (prior, truth, made)
            ]
            np.testing.assert_array_equal(counts[1], counts[2])
            changed = (made.values[cell] != prior.values[cell])[inside].sum()
            assert changed == np.maximum(counts[1] - counts[0], 0).sum()


def test_random_placing_has_the_figure_of_merit_of_chance():
    rng = np.random.default_rng(0)
    where = {"step": 0.01, "lat": 4.995, "lon": 0.005}
    prior = map_of(np.zeros((500, 500)), **where)
    truth = map_of(rng.random((500, 500)) < 0.1, **where)
    made = place_randomly(prior, truth, cell=5.0, seed=1)
    scores = evaluate(data_of(made), truth, prior=prior)
    assert float(scores.figure_of_merit[0, 0]) == pytest.approx(0.1 / 1.9, abs=0.004)
    again, other = (place_randomly(prior, truth, cell=5.0, seed=seed) for seed in (1, 2))
    assert (again == made).all()
    assert (other != made).any()


def test_other_grids_are_refused():
    prior = map_of(np.zeros((4, 4)))
    moved = prior.assign_coords(lat=coordinate("lat", prior.lat.values + 1))
    with pytest.raises(InputError, match="on one grid"):
        place_randomly(prior, moved, cell=1.0)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_oracle_of_places_has_as_many_hits_as_the_net_change_allows(seed):
    """The independent reference: an integer program for each cell."""
    from scipy.optimize import LinearConstraint, milp

    prior, truth, _ = (map_of(a, step=0.5, lat=9.75, lon=0.25) for a in three_maps(seed, (8, 12)))
    made = place_by_truth(prior, truth, cell=2.0)
    known = (prior.values != 255) & (truth.values != 255)
    for rows in range(0, 8, 4):
        for columns in range(0, 12, 4):
            cell = np.s_[rows : rows + 4, columns : columns + 4]
            old, new, got = (a.values[cell][known[cell]] for a in (prior, truth, made))
            before, after, counts = (np.bincount(a, minlength=3) for a in (old, new, got))
            np.testing.assert_array_equal(counts, after)
            pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
            most = [((old == a) & (new == b)).sum() for a, b in pairs]
            leaving = [[a == k for a, _ in pairs] for k in range(3)]
            coming = [[b == k for _, b in pairs] for k in range(3)]
            limits = np.r_[np.maximum(before - after, 0), np.maximum(after - before, 0)]
            best = milp(
                -np.ones(6),
                integrality=np.ones(6),
                bounds=(0, most),
                constraints=LinearConstraint(np.r_[leaving, coming].astype(float), ub=limits),
            )
            assert ((got == new) & (got != old)).sum() == round(-best.fun)
            assert (got != old).sum() == np.maximum(after - before, 0).sum()
