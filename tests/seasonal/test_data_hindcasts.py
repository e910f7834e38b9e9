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


def rain(values, units, **attrs):
    starts = xr.date_range("2000-11-01", periods=2, freq="YS-NOV")
    whole = np.broadcast_to(values, (2, 3))
    dims = ("forecast_reference_time", "forecastMonth")
    coords = {dims[0]: starts, dims[1]: [2, 3, 4]}
    return xr.Dataset({"tprate": (dims, whole, {"units": units, **attrs})}, coords)


@pytest.mark.parametrize(
    ("units", "one"),
    [("m s-1", 1e-8), ("mm/day", 0.864), ("kg m-2 s-1", 1e-5), ("mm month-1", 26.297)],
)
def test_variables_of_c3s_get_their_names_and_units(units, one):
    made = hindcast_seasons(rain([one] * 3, units), "DJF", anomalies=False)
    assert made.pr.units == "kg m-2 s-1"
    np.testing.assert_allclose(made.pr, 1e-5, rtol=1e-3)
    warm = rain([20.0] * 3, "degC").rename(tprate="t2m")
    np.testing.assert_allclose(hindcast_seasons(warm, "DJF", anomalies=False).tas, 293.15)
    with pytest.raises(InputError, match="cannot be converted"):
        hindcast_seasons(rain([one] * 3, "furlongs"), "DJF")


def test_rain_a_little_below_zero_is_zero():
    lazy = rain([-0.01, 3.0, 3.0], "mm/day").chunk()
    made = hindcast_seasons(lazy, "DJF", anomalies=False).pr * 86400
    np.testing.assert_allclose(made, [3 * 59 / 90, 3 * 59 / 90], rtol=1e-6)
    with pytest.raises(InputError, match="down to -2 mm a day"):
        hindcast_seasons(rain([-2.0, 3.0, 3.0], "mm/day").chunk(), "DJF").compute()
    known = rain([-2.0, 3.0, 3.0], "mm/day", long_name="precipitation anomaly")
    assert float(hindcast_seasons(known, "DJF", anomalies=False).pr[0]) > 0
