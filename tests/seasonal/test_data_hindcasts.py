"""Hindcasts in the form of forecasts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xai4land import InputError
from xai4land_seasonal import hindcast_seasons


def test_a_hindcast_becomes_seasons_of_its_months():
    starts = xr.date_range("2000-11-01", periods=3, freq="YS-NOV")
    values = np.arange(3 * 4 * 2.0).reshape(3, 4, 2)
    data = xr.Dataset(
        {"tas": (("init", "lead", "member"), values)}, {"init": starts, "lead": [1, 2, 3, 4]}
    )
    made = hindcast_seasons(data, "DJF", anomalies=False)
    assert made.season_year.values.tolist() == [2001, 2002, 2003]
    expected = np.average(values[0, 1:, 0], weights=[31, 31, 28])
    assert made.tas.values[0, 0] == pytest.approx(expected)
    with pytest.raises(InputError, match="needs lead months"):
        hindcast_seasons(data, "JFM")
    with pytest.raises(InputError, match="no dimension of starts"):
        hindcast_seasons(data.rename(init="x"), "DJF")
