"""Training on an emulator's own maps, and the pairs of years to learn from."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import xai4land
from xai4land.errors import InputError
from xai4land.training.fit import train_on
from xai4land_land.change.own_maps import find_rollouts, make_own_pairs
from xai4land_land.change.pairs import choose_pairs, make_pairs

YEARS = [1960, 1961, 1962]
PAIRS = [(1960, 1961), (1961, 1962)]
SMALL = {
    "epochs": 1,
    "steps": 2,
    "batch_size": 2,
    "window": 32,
    "workers": 1,
    "parameters": {"widths": [8, 16]},
    "progress": False,
}


@pytest.fixture(scope="module")
def world():
    """A part of the sample's history, of which a cell has 8 x 8 pixels."""
    whole = xai4land.sample("land_history", years=YEARS)
    return whole.isel(
        lat=slice(14), lon=slice(14), lat_fine=slice(112), lon_fine=slice(112)
    ).drop_dims("bnds")


def fit(world, years=YEARS, **options):
    """Train on the maps of some years, forward."""
    part = world.sel(time=world.time.dt.year.isin(years))
    pairs = [pair for pair in PAIRS if {*pair} <= {*years}]
    return part.ai4land.fit(
        part.land_cover, **{"prior": part.land_cover, "pairs": pairs, **SMALL, **options}
    )


@pytest.fixture(scope="module")
def once(world):
    """An emulator that knows true prior maps alone."""
    return fit(world)


@pytest.fixture(scope="module")
def rolled(world):
    """The same one, trained on its own maps, too."""
    return fit(world, rollouts=1)


def same_weights(one, other):
    """Return whether two emulators have the same weights."""
    return all(torch.equal(one.weights[n], other.weights[n]) for n in one.weights)


def test_the_training_goes_on_from_the_same_statistics_and_blocks(once, rolled):
    assert rolled.card.inputs == once.card.inputs
    assert rolled.card.outputs.transitions == once.card.outputs.transitions
    assert rolled.card.training["blocks"] == once.card.training["blocks"]
    assert rolled.card.training["rollouts"] == 1
    assert not same_weights(once, rolled)


def test_the_same_seed_gives_the_same_emulator(world, rolled):
    assert same_weights(rolled, fit(world, rollouts=1))


def test_the_change_of_the_truth_is_learned_from_the_maps_of_the_rollout(world, once):
    """The reference: maps by the public call, and pixel by pixel what the truth does."""
    made = world.ai4land.reconstruct(once, prior=world.land_cover.sel(time="1960"))
    own = made.land_cover.sel(time="1961").values[0]
    before, after = (world.land_cover.sel(time=str(y)).values[0] for y in (1961, 1962))
    region = make_own_pairs(
        once, world, world.land_cover, world.land_cover, [1960, 1961], [(1961, 1962)]
    )
    codes = np.array([c.value for c in once.card.outputs.classes])
    learned, prior = (codes[layer.values[0]] for layer in region.truth)
    assert (prior == own).all()
    assert (own != before).any()
    changed = before != after
    assert (learned[changed] == after[changed]).all()
    assert (learned[~changed] == own[~changed]).all()


def test_training_on_begins_with_the_weights_of_the_emulator(world, once):
    region = make_pairs(world, world.land_cover, world.land_cover, once.card.outputs, PAIRS)
    tiny = {"epochs": 1, "steps": 1, "batch_size": 1, "workers": 1}
    made = train_on(
        once, [region], settings={**tiny, "learning_rate": 1e-9}, device="cpu", progress=False
    )
    for name, weights in once.weights.items():
        torch.testing.assert_close(made.weights[name], weights, atol=1e-6, rtol=0)


def test_two_years_are_not_enough_and_it_is_said(world):
    years = YEARS[:2]
    with pytest.warns(UserWarning, match="three years or more"):
        made = fit(world, years, rollouts=1)
    assert same_weights(made, fit(world, years))


@pytest.mark.parametrize("options", [{"rollouts": -1}, {"rollouts": 1, "prior": None}])
def test_rollouts_need_a_prior_map_and_a_count(world, options):
    with pytest.raises(InputError, match="rollouts="):
        fit(world, **options)


def test_rollouts_go_both_ways_in_the_shortest_steps():
    pairs = [(2000, 2002), (2004, 2006), (2006, 2000), (2004, 2000), (2003, 2001)]
    found = list(find_rollouts(range(2000, 2007), pairs, (2, 6)))
    assert found == [
        ([2000, 2002, 2004], [(2004, 2006)]),
        ([2006, 2004], [(2004, 2000)]),
    ]


years = st.lists(st.integers(1850, 2100), min_size=2, max_size=40, unique=True)


@given(years)
def test_pairs_are_few_and_hold_all_neighbours_both_ways(years):
    pairs = choose_pairs(years, years)
    ordered = sorted(years)
    neighbours = {*itertools.pairwise(ordered)}
    assert neighbours | {(b, a) for a, b in neighbours} <= {*pairs}
    assert len(pairs) == len({*pairs}) <= 4 * len(years)
    assert all(a != b for a, b in pairs)


@given(years, st.integers(1, 30))
def test_pairs_of_wanted_steps_are_all_there(years, step):
    expected = {(a, b) for a in years for b in years if abs(a - b) == step}
    assert {*choose_pairs(years, years, steps=[step])} == expected
