"""Time axes: found by attributes or names, months and years by bounds."""

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xai4land
from xai4land.catalogs import harmonise
from xai4land.catalogs.harmonising import decode_years
from xai4land.errors import InputError
from xai4land.grids.time import (
    count_months,
    describe_no_dates,
    find_time,
    middle_of_steps,
    move_into_bounds,
)

YEAR_2000 = 24000


def monthly(stamp="end", cf=True, count=36, name="time"):
    """Values are the number of the month of the year, 1 to 12."""
    if cf:
        edges = pd.date_range("2000-01-01", periods=count + 1, freq="MS").values
    else:
        edges = xr.date_range(
            "2000-01-01", periods=count + 1, freq="MS", calendar="noleap", use_cftime=True
        ).values
    low, high = edges[:-1], edges[1:]
    times = {"end": high, "start": low, "middle": low + (high - low) / 2}[stamp]
    bounds = np.stack([low, high], -1)
    return xr.Dataset(
        {"tas": (name, np.arange(count) % 12 + 1.0 + 280, {"units": "K"})},
        {
            name: (name, times, {"standard_name": "time", "bounds": f"{name}_bnds"}),
            f"{name}_bnds": ((name, "bnds"), bounds),
        },
    )


@pytest.mark.parametrize("cf", [True, False])
@pytest.mark.parametrize("stamp", ["start", "middle", "end"])
def test_a_mean_is_of_the_month_of_its_bounds(stamp, cf):
    data = monthly(stamp, cf)
    np.testing.assert_array_equal(count_months(data), YEAR_2000 + np.arange(36))
    made = harmonise(data)
    assert made.time.dt.year.values[0] == 2000
    np.testing.assert_array_equal(made.tas - 280, made.time.dt.month)
    assert made.time_bnds.values[0, 0] == np.datetime64("2000-01-01")


def test_bounds_are_found_wherever_xarray_keeps_their_name(tmp_path):
    data = monthly("end").assign_coords(lat=0.0)
    data.to_netcdf(tmp_path / "end.nc")
    for how in ({}, {"decode_coords": "all"}):
        with xr.open_dataset(tmp_path / "end.nc", **how) as opened:
            assert count_months(opened)[0] == YEAR_2000
    unnamed = data.copy()
    del unnamed.time.attrs["bounds"]
    assert count_months(unnamed)[0] == YEAR_2000


def test_undecoded_bounds_are_decoded():
    data = monthly("end")
    days = (data.time_bnds - np.datetime64("2000-01-01")) / np.timedelta64(1, "D")
    data = data.assign_coords(time_bnds=days)
    data.time.encoding = {"units": "days since 2000-01-01", "calendar": "standard"}
    assert count_months(data)[0] == YEAR_2000


def test_only_times_outside_their_period_move():
    for stamp in ("start", "middle"):
        data = monthly(stamp)
        assert move_into_bounds(data) is data
    moved = move_into_bounds(monthly("end"))
    np.testing.assert_array_equal(moved.time, middle_of_steps(monthly("end")))
    np.testing.assert_array_equal(moved.time, monthly("middle").time)


@pytest.mark.parametrize(
    ("mend", "message"),
    [
        (lambda d: d.assign_coords(time_bnds=d.time_bnds + np.timedelta64(90, "D")), "outside its"),
        (lambda d: d.assign_coords(time_bnds=d.time_bnds.isel(bnds=0)), "have shape"),
        (lambda d: d.assign_coords(time_bnds=d.time_bnds.where(d.tas > 282)), "expected a date"),
        (
            lambda d: d.assign_coords(
                time_bnds=d.time_bnds - np.array([0, 335]) * np.timedelta64(-1, "D")
            ),
            "span up to 366 days, expected months",
        ),
    ],
)
def test_bounds_that_contradict_are_refused(mend, message):
    data = monthly("start")
    with pytest.raises(InputError, match=message):
        harmonise(mend(data))


def test_years_are_selected_by_bounds():
    from xai4land.catalogs.harmonising import select_years

    found = select_years(monthly("end"), (2001, 2001))
    np.testing.assert_array_equal(found.tas - 280, np.arange(1, 13))


def test_time_axes_are_found():
    dates = pd.date_range("2000-01-01", periods=2)
    for name in ("time", "valid_time", "t"):
        assert find_time(xr.Dataset(coords={name: dates})) == name
    both = xr.Dataset(coords={"time": dates, "forecast": ("forecast", dates)})
    assert find_time(both) == "time"
    both.forecast.attrs["standard_name"] = "forecast_reference_time"
    assert find_time(both.drop_vars("time")) is None
    with pytest.raises(InputError, match=r"several time axes \(a, b\)"):
        find_time(xr.Dataset(coords={"a": dates, "b": ("b", dates)}))


def test_annual_maps_are_of_the_year_of_their_bounds():
    planet = xai4land.sample("land", years=[2000, 2001])
    edges = np.array(["2000-01-01", "2001-01-01", "2002-01-01"], "M8[ns]")
    end = planet.assign_coords(
        time=("time", edges[1:], {**planet.time.attrs, "bounds": "time_bnds"})
    )
    end = end.assign_coords(time_bnds=(("time", "bnds"), np.stack([edges[:-1], edges[1:]], -1)))
    world = end.drop_vars("land_cover").ai4land.reconstruct()
    assert world.time.dt.year.values.tolist() == [2000, 2001]
    np.testing.assert_array_equal(world.time_bnds[:, 0], edges[:-1])
    right = planet.drop_vars("land_cover").ai4land.reconstruct()
    np.testing.assert_array_equal(world.land_cover, right.land_cover)
    ours, theirs = (made.ai4land.evaluate(planet.land_cover) for made in (world, right))
    np.testing.assert_array_equal(ours.accuracy, theirs.accuracy)


def test_cftime_bounds_of_another_calendar_are_refused():
    data = monthly("start")
    other = np.array(
        [[cftime.DatetimeNoLeap(2000, 1, 1), cftime.DatetimeNoLeap(2000, 2, 1)]] * 36, object
    )
    with pytest.raises(InputError, match="another calendar"):
        count_months(data.assign_coords(time_bnds=(("time", "bnds"), other)))


# Times at the edges of months


def end_stamped(**attrs):
    """Monthly means of January to March, stamped at the end, whose values are their months."""
    edges = pd.date_range("2000-01-01", periods=4, freq="MS")
    time = xr.DataArray(edges[1:], dims="time", attrs={"standard_name": "time", **attrs})
    return xr.DataArray([1.0, 2.0, 3.0], {"time": time}, "time", name="tas", attrs={"units": "K"})


def test_an_edge_whose_bounds_were_lost_is_refused():
    """A DataArray keeps the name of its bounds, not the bounds."""
    lost = end_stamped(bounds="time_bnds")
    message = r"time_bnds.* are not there; .*del data\.time\.attrs\['bounds'\]"
    for read in (count_months, lambda a: harmonise(a.to_dataset())):
        with pytest.raises(InputError, match=message):
            read(lost)
    del lost.time.attrs["bounds"]  # as the message says
    assert count_months(lost)[0] == 24001
    encoded = end_stamped()
    encoded.time.encoding["bounds"] = "time_bnds"  # as with decode_coords="all"
    with pytest.raises(InputError, match=r"del data\.time\.encoding\['bounds'\]"):
        count_months(encoded)


def test_an_edge_without_a_name_of_bounds_is_the_beginning():
    assert count_months(end_stamped()).tolist() == [24001, 24002, 24003]


@pytest.mark.parametrize("days", [-1, -15, 14])
def test_times_within_months_need_no_bounds(days):
    """The last day of a month, as pandas has it, and its middle."""
    time = end_stamped(bounds="time_bnds").time
    within = time.copy(data=time.values + np.timedelta64(days, "D"))
    within.attrs = time.attrs
    expected = within.dt.year * 12 + within.dt.month - 1
    np.testing.assert_array_equal(count_months(xr.Dataset(coords={"time": within})), expected)


@pytest.mark.parametrize(
    ("numbers", "first"),
    [
        ([1999, 2000], "1999-01-01"),
        ([199912, 200001], "1999-12-01"),
        ([19991231, 20000101], "1999-12-31"),
    ],
)
def test_the_advice_on_numbers_makes_dates_of_them(numbers, first):
    ds = xr.Dataset(coords={"time": numbers})
    said = describe_no_dates(ds.time)
    assert "expected dates" in said
    made = eval(said[said.index("ds.assign_coords") :], {"ds": ds, "np": np})
    assert str(made.time.values[0])[:10] == first


def test_years_since_some_year_are_dates_in_all_spellings():
    for unit in ("years", "year", "yr", "Years", "common_year"):
        time = xr.DataArray([0.0, 1165.0], dims="time", attrs={"units": f"{unit} since 850-1-1"})
        made = decode_years(xr.Dataset(coords={"time": time}))
        assert made.time.dt.year.values.tolist() == [850, 2015], unit
