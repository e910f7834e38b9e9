"""Seasonal means in any calendar."""

from __future__ import annotations

import numpy as np
import pytest

from seasonal_worlds import monthly
from xai4land import InputError
from xai4land_seasonal import seasonal_means
from xai4land_seasonal.data.seasons import Season


def ramp(months: int) -> np.ndarray:
    return np.arange(months, dtype=float)[:, None, None] + np.zeros((1, 2, 4))


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "julian"])
def test_winter_belongs_to_januarys_year_and_months_are_weighted_by_days(calendar):
    made = seasonal_means(monthly(ramp(36), "2003-01-01", calendar), "DJF")
    assert made.season_year.values.tolist() == [2004, 2005]
    days = {"standard": 29, "julian": 29, "noleap": 28, "360_day": 30}[calendar]
    long = 30 if calendar == "360_day" else 31
    expected = (11 * long + 12 * long + 13 * days) / (2 * long + days)
    assert made.tas.values[0, 0, 0] == pytest.approx(expected)
    first, last = made.time_bnds.values[0]
    assert (first.astype("M8[D]").astype(str) if calendar == "standard" else str(first)[:10]) == (
        "2003-12-01"
    )
    assert made.dropped_seasons.split(", ")[0] == "DJF 2003"
    assert made.time.values[0] == first + (last - first) / 2


def test_every_season_has_its_three_months():
    for name in [
        "JFM",
        "FMA",
        "MAM",
        "AMJ",
        "MJJ",
        "JJA",
        "JAS",
        "ASO",
        "SON",
        "OND",
        "NDJ",
        "DJF",
    ]:
        made = seasonal_means(monthly(ramp(36), "2001-01-01", "360_day"), name)
        middle = 12 * (made.season_year.values[0] - 2001) + Season.of(name).month
        middle -= 12 * Season.of(name).crosses
        assert made.tas.values[0, 0, 0] == pytest.approx(middle)


def test_a_missing_month_is_named_and_a_missing_value_stays_in_its_season():
    data = monthly(ramp(24))
    with pytest.raises(InputError, match="1900-05"):
        seasonal_means(data.isel(time=[0, 1, 2, 3, 5, 6, 7]))
    data.tas[4, 0, 0] = np.nan
    made = seasonal_means(data)
    assert made.tas.isnull().sum() == 1
    assert np.isnan(made.tas.sel(time=made.season == "MAM").values[0, 0, 0])


def test_incomplete_seasons_are_dropped_and_named():
    made = seasonal_means(monthly(ramp(13), "2000-02-01"))
    assert made.dropped_seasons == "DJF 2000, DJF 2001" or "DJF 2000" in made.dropped_seasons
    with pytest.raises(InputError, match="no whole season"):
        seasonal_means(monthly(ramp(2), "2000-01-01"), "DJF")
