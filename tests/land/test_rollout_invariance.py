"""What a rollout does not depend on, and how far it depends on the edge of a region."""

import numpy as np
import pytest
from rollouts import roll, select_years

YEARS = range(1990, 1996)
CUT = 160
"""Column of pixels where the region is cut."""


@pytest.fixture(scope="module")
def world(history):
    return select_years(history, YEARS)


def test_a_cut_region_differs_near_the_cut_alone(world, rule):
    """Within one coarse cell in the first years, far less than a window (128 pixels) a year."""
    whole = roll(world, rule, 1990).land_cover.compute()
    part = world.isel(lon=slice(CUT // 8, None), lon_fine=slice(CUT, None))
    cut = roll(part, rule, 1990).land_cover.compute()
    differ = cut.values != whole.values[..., CUT:]
    assert not differ[:, :, 8:].any()
    assert differ.any(), "the cut is no test of anything"
    changed = whole.values[-1] != whole.values[0]
    assert changed.mean() > 0.01


def names(made):
    return {str(name): array.data.name for name, array in made.data_vars.items()}


@pytest.mark.parametrize("years", [(1990,), (1995,), (1990, 1993, 1995)])
def test_the_same_call_has_the_same_names_and_another_one_others(world, rule, years):
    """Dask's names: of the same call a killed run is known by them."""
    first = names(roll(world, rule, years))
    assert names(roll(world.copy(deep=True), rule, years)) == first
    prior = world.copy(deep=True)
    prior.land_cover[{"time": YEARS.index(years[-1]), "lat_fine": 0, "lon_fine": 0}] ^= 1
    others = [
        roll(world, rule, (1992,)),
        roll(prior, rule, years),
        roll(world, rule, years, demand="level"),
        roll(world, rule, years, exchange=True),
        roll(world, rule, years, years=[1990, 1993, 1995]),
    ]
    for other in map(names, others):
        assert other["land_cover"] != first["land_cover"]


def test_years_that_follow_in_another_order_have_other_names(world, rule):
    """Forward from the first of two equal maps, or backward from the last."""
    still = world.isel(time=[0] * 3).assign_coords(time=world.time[:3])
    found = [names(roll(still, rule, (year,))) for year in (1990, 1991, 1992)]
    assert len({each["land_cover"] for each in found}) == 3
    assert np.array_equal(*(roll(still, rule, (y,)).land_cover for y in (1990, 1992)))
