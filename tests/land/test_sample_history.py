"""The sample history: land use changes slowly, by the processes that it says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import binary_dilation

import xai4land
from xai4land import InputError

OCEAN, URBAN, CROPLAND, PASTURE, FOREST, GRASS, SPARSE, WATER = range(8)
STATES = {
    URBAN: ["urban"],
    CROPLAND: ["c3ann", "c4ann", "c3per", "c4per", "c3nfx"],
    PASTURE: ["pastr", "range"],
    FOREST: ["primf", "secdf"],
}
REST = 8


@pytest.fixture(scope="module")
def history():
    return xai4land.sample("land_history")


@pytest.fixture(scope="module")
def cover(history):
    return history.land_cover.values


def shares_next_to(cover, code, able):
    """Shares that lie next to a class: of the pixels that join it, and of all that could."""
    new, might = [], []
    for before, after in pairwise(cover):
        near = binary_dilation(before == code, np.ones((3, 3)))
        new.append(near[(after == code) & (before != code)])
        might.append(near[np.isin(before, able)])
    return np.concatenate(new).mean(), np.concatenate(might).mean()


def test_it_has_the_variables_of_the_planet_over_sixty_years(history, planet):
    assert set(history.variables) == set(planet.variables)
    assert history.time.dt.year.values.tolist() == list(range(1950, 2011))
    assert history.sizes["lat_fine"] == 8 * history.sizes["lat"]
    assert history.nbytes < 20e6


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_less_than_a_hundredth_of_the_land_changes_in_a_year(seed):
    cover = xai4land.sample("land_history", seed=seed).land_cover.values
    land = cover[0] != OCEAN
    assert 0.5 < land.mean() < 0.95
    rates = [(a != b)[land].mean() for a, b in pairwise(cover)]
    assert min(rates) > 0.003
    assert max(rates) < 0.01
    shares = np.bincount(cover[-1][land], minlength=8) / land.sum()
    assert (shares[1:] > 0.002).all()
    assert (cover[-1] != cover[0])[land].mean() > 0.15


@pytest.mark.parametrize(
    ("code", "able"),
    [
        (URBAN, (CROPLAND, PASTURE, FOREST, GRASS)),
        (CROPLAND, (PASTURE, FOREST, GRASS)),
        (PASTURE, (FOREST, GRASS)),
    ],
)
def test_land_use_spreads_from_where_it_is(cover, code, able):
    new, chance = shares_next_to(cover, code, able)
    assert new > 0.9
    assert new > 5 * chance


def test_only_known_changes_happen(cover):
    counts = np.zeros((8, 8), int)
    for before, after in pairwise(cover):
        np.add.at(counts, (before.ravel(), after.ravel()), 1)
    np.fill_diagonal(counts, 0)
    allowed = {
        *((code, URBAN) for code in (CROPLAND, PASTURE, FOREST, GRASS)),
        *((code, CROPLAND) for code in (PASTURE, FOREST, GRASS)),
        *((code, PASTURE) for code in (FOREST, GRASS)),
        *((code, GRASS) for code in (CROPLAND, PASTURE)),
        (GRASS, FOREST),
    }
    assert {tuple(pair) for pair in np.argwhere(counts).tolist()} == allowed
    assert min(counts[pair] for pair in allowed) > 100  # enough of each to learn from


def test_forest_grows_back_on_land_that_lay_idle(cover):
    grown = 0
    for year in range(1, len(cover)):
        for pixel in np.argwhere((cover[year] == FOREST) & (cover[year - 1] == GRASS))[:20]:
            past = cover[(slice(None, year), *pixel)]
            used = np.flatnonzero(np.isin(past, (CROPLAND, PASTURE)))
            assert used.size
            assert (past[used[-1] + 1 :] == GRASS).sum() >= REST
            grown += 1
    assert grown > 200


def test_poor_fields_are_abandoned_and_rich_land_is_cleared(history, cover):
    clay = np.broadcast_to(history.clay.values, cover[1:].shape)
    before, after = cover[:-1], cover[1:]
    abandoned = clay[(before == CROPLAND) & (after == GRASS)].mean()
    kept = clay[(before == CROPLAND) & (after == CROPLAND)].mean()
    cleared = clay[(before == FOREST) & (after == CROPLAND)].mean()
    left = clay[(before == FOREST) & (after == FOREST)].mean()
    assert abandoned < kept
    assert cleared > left


def test_states_are_means_over_blocks_of_the_truth(history, cover):
    years, rows, columns = cover.shape
    block = cover.reshape(years, rows // 8, 8, columns // 8, 8)
    sea = (block == OCEAN).mean((2, 4)) == 1
    assert np.isnan(history.primf.values[sea]).all()
    for code, names in STATES.items():
        states = sum(history[name].values for name in names)
        np.testing.assert_allclose(states[~sea], (block == code).mean((2, 4))[~sea], atol=1e-6)


def test_a_map_depends_on_the_seed_and_its_year_alone(history):
    some = xai4land.sample("land_history", years=[1987, 1950, 2003])
    chosen = history.sel(time=history.time.dt.year.isin([1950, 1987, 2003]))
    xr.testing.assert_identical(some, chosen)
    other = xai4land.sample("land_history", seed=5, years=[1950])
    assert float((other.land_cover.values != history.land_cover.values[:1]).mean()) > 0.1


@pytest.mark.parametrize("years", [[1949, 1950], [2050, 2051]])
def test_years_beyond_the_history_are_refused(years):
    with pytest.raises(InputError, match="within 1950 to 2050"):
        xai4land.sample("land_history", years=years)
