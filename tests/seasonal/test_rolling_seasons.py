"""All seasons of three months in one call, at all leads."""

from __future__ import annotations

import numpy as np
import pytest

from seasonal_worlds import monthly, red_noise
from xai4land_seasonal import forecast, verify
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH

SEASONS = tuple(season.name for season in SEASON_OF_MONTH)
LEADS = range(6)


@pytest.fixture(scope="module")
def world():
    return monthly(red_noise(60, 6, 12, stays=0.9, seed=5))


@pytest.fixture(scope="module")
def by_lead(world):
    how = {"years": range(1940, 1959), "members": 10, "emulator": "damped persistence"}
    return {lead: forecast(world, SEASONS, lead=lead, **how).compute() for lead in LEADS}


@pytest.mark.parametrize("lead", LEADS)
def test_twelve_seasons_a_year_each_as_if_asked_for_alone(world, by_lead, lead):
    made = by_lead[lead]
    assert made.sizes["time"] == 12 * 19
    assert set(made["season"].values) == set(SEASONS)
    starts = number_months(made["time"]) - 1  # the middle of a season is in its second month
    known_until = number_months(made["forecast_reference_time"].rename(time="start"))
    np.testing.assert_array_equal(starts - known_until, lead)
    np.testing.assert_array_equal(np.diff(starts), 1)
    for name in ("DJF", "NDJ", "MJJ"):
        how = {"years": [1950, 1951], "members": 10, "emulator": "damped persistence"}
        alone = forecast(world, name, lead=lead, **how).compute()
        np.testing.assert_array_equal(alone.tas, made.sel(time=alone.time).tas)


def test_skill_fades_with_lead_in_every_season(world, by_lead):
    """Of red noise, correlations fall by .9 a month."""
    found = [
        verify(made, world, references=[], metrics=["acc"], dim=("time", "lat", "lon")).compute()
        for made in by_lead.values()
    ]
    acc = np.stack([scores.acc.isel(forecast=0).sel(season=list(SEASONS)) for scores in found])
    assert acc.shape == (6, 12)
    assert (acc[0] > 0.6).all()
    assert (acc[0] > acc[3]).all()
    assert (acc[1] > acc[5]).all()


def test_an_emulator_forecasts_all_seasons_at_its_leads(world, seasonal_emulator):
    for lead in seasonal_emulator.card.leads:
        how = {"lead": lead, "members": 4, "emulator": seasonal_emulator}
        made = forecast(world, SEASONS, years=1950, **how).compute()
        assert made.sizes["time"] == 12
        assert np.isfinite(made.tas).all()
        alone = forecast(world, "SON", years=1950, **how)
        np.testing.assert_array_equal(made.tas[made.season == "SON"], alone.tas)
