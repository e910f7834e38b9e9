"""Hindcasts as centres give them: names, units, bounds and valid times of leads."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal import hindcast_seasons

STARTS = pd.date_range("1993-11-01", periods=6, freq="12MS")
DJF_1994 = (31 * 1 + 31 * 2 + 28 * 3) / 90
"""What a hindcast from November, whose values are months after the start, has in DJF."""
ENDS = np.array([30, 61, 92, 120, 151, 181])
MIDDLES = np.array([15, 45.5, 76.5, 106, 135.5, 166])


def hindcast(lead=None, names=("init", "lead", "member"), attrs=None, starts=STARTS):
    values = np.broadcast_to(np.arange(6.0)[None, :, None], (len(starts), 6, 4)) + np.arange(4)
    coords = {names[0]: starts, names[1]: (names[1], np.arange(6) if lead is None else lead, attrs)}
    return xr.Dataset({"tas": (names, values, {"units": "K"})}, coords)


def djf(data, **how):
    made = hindcast_seasons(data, "DJF", anomalies=False, **how)
    assert made.tas.dims == ("time", "realization")
    assert made.season_year.values[0] == 1994
    return made.tas.values[0] - np.arange(4)


@pytest.mark.parametrize(
    ("lead", "attrs"),
    [
        (np.arange(6), {}),
        (np.arange(1, 7), {"units": "months"}),
        (np.arange(6) + 0.5, {}),
        (ENDS, {"units": "days"}),
        (np.append(0, ENDS[:-1]), {"units": "days", "standard_name": "forecast_period"}),
        (MIDDLES, {"units": "days"}),
        (ENDS * 24, {"units": "hours"}),
        (MIDDLES * 86400, {"units": "seconds"}),
        (ENDS.astype("m8[D]").astype("m8[ns]"), {}),
        ((MIDDLES * 24).astype("m8[h]").astype("m8[ns]"), {}),
    ],
)
def test_leads_are_months_whatever_their_units(lead, attrs):
    np.testing.assert_allclose(djf(hindcast(lead, attrs=attrs)), DJF_1994)


def test_leads_that_begin_later():
    later = hindcast().isel(lead=slice(1, None))
    for lead in (np.arange(5) + 1.5, MIDDLES[1:].astype("m8[D]").astype("m8[ns]")):
        np.testing.assert_allclose(djf(later.assign_coords(lead=lead)), DJF_1994)
    named = later.assign_coords(lead=np.arange(2, 7)).rename(lead="forecastMonth")
    np.testing.assert_allclose(djf(named), DJF_1994)
    counted = later.assign_coords(lead=np.arange(2, 7))
    with pytest.raises(InputError, match="begin with 2.*give it: first="):
        hindcast_seasons(counted, "DJF")
    np.testing.assert_allclose(djf(counted, first=1), DJF_1994)


def test_bounds_of_leads_say_their_months():
    edges = np.append(0, ENDS)
    later = hindcast(edges[:-1], attrs={"units": "days", "bounds": "lead_bnds"})
    later = later.assign_coords(lead_bnds=(("lead", "bnds"), np.stack([edges[:-1], edges[1:]], -1)))
    np.testing.assert_allclose(djf(later.isel(lead=slice(1, None))), DJF_1994)


def test_valid_time_says_the_months():
    months = STARTS.values.astype("M8[M]")[:, None] + np.arange(6)
    middles = months.astype("M8[D]") + 14
    valid = (("init", "lead"), middles.astype("M8[ns]"))
    np.testing.assert_allclose(
        djf(hindcast().drop_vars("lead").assign_coords(valid_time=valid)), DJF_1994
    )
    np.testing.assert_allclose(djf(hindcast().assign_coords(valid_time=valid)), DJF_1994)
    wrong = hindcast().assign_coords(valid_time=(("init", "lead"), (months + 3).astype("M8[ns]")))
    with pytest.raises(InputError, match="contradict each other"):
        hindcast_seasons(wrong, "DJF")


def test_a_calendar_of_its_own():
    starts = xr.date_range(
        "1993-11-01", periods=6, freq="12MS", calendar="360_day", use_cftime=True
    )
    data = hindcast(30 * np.arange(1, 7), attrs={"units": "days"}, starts=starts)
    np.testing.assert_allclose(djf(data), 2)


@pytest.mark.parametrize(
    "names",
    [
        ("S", "L", "M"),
        ("start_date", "leadtime_month", "number"),
        ("forecast_reference_time", "forecast_period", "realization"),
        ("time", "step", "number"),
    ],
)
def test_usual_names(names):
    data = hindcast(np.arange(6) + 0.5, names)
    if names[0] == "time":
        data.time.attrs["long_name"] = "initial time of forecast"
    np.testing.assert_allclose(djf(data), DJF_1994)


def test_standard_names_go_before_names():
    data = hindcast(names=("a", "b", "c")).assign_coords(c=range(4))
    with pytest.raises(InputError, match="no dimension of starts"):
        hindcast_seasons(data, "DJF")
    for name, kind in (("a", "forecast_reference_time"), ("b", "forecast_period")):
        data[name].attrs["standard_name"] = kind
    with pytest.raises(InputError, match=r"dimension 'c' \(4 steps\).*'realization'"):
        hindcast_seasons(data, "DJF")
    data["c"].attrs["standard_name"] = "realization"
    np.testing.assert_allclose(djf(data), DJF_1994)


def test_members_of_any_name_share_one_mean():
    data = hindcast(names=("S", "L", "M"))
    made = hindcast_seasons(data, "DJF").tas
    np.testing.assert_allclose(made.mean("time") - made.mean(), np.arange(4) - 1.5, atol=1e-12)


@pytest.mark.parametrize(
    ("mend", "message"),
    [
        (
            lambda d: d.assign_coords(lead=("lead", range(6), {"units": "days"})),
            "1 to 1 days apart",
        ),
        (lambda d: d.assign_coords(lead=("lead", range(6), {"units": "years"})), "days apart"),
        (lambda d: d.assign_coords(lead=("lead", range(6), {"units": "seasons"})), "in 'seasons'"),
        (lambda d: d.assign_coords(lead=np.arange(6) / 3), "whole months"),
        (lambda d: d.drop_vars("lead"), r"no coordinate.*lead=range\(1, 7\)"),
        (lambda d: d.drop_vars("init"), "no coordinate.*date_range"),
        (lambda d: d.assign_coords(init=range(1993, 1999)), "hold int64.*expected dates"),
        (lambda d: d.astype(object), "holds object, expected numbers"),
        (lambda d: d.expand_dims(level=[500, 850]), r"dimension 'level' \(2 steps\)"),
        (
            lambda d: d.rename(member="number").expand_dims(member=2),
            "several dimensions of members",
        ),
        (lambda d: 3, "found int, expected a Dataset"),
    ],
)
def test_what_nobody_understands_is_refused(mend, message):
    with pytest.raises(InputError, match=message):
        hindcast_seasons(mend(hindcast()), "DJF")


def test_a_dimension_of_one_step_is_dropped():
    np.testing.assert_allclose(djf(hindcast().expand_dims(level=[500])), DJF_1994)
