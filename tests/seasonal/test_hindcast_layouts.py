"""Hindcasts as C3S and cfgrib lay them out, with values that say what they are of."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED
from xai4land.errors import InputError
from xai4land_seasonal import hindcast_seasons, verify

GRIB = {"GRIB_paramId": 167, "units": "K"}
LETTERS = "JFMAMJJASONDJFMAMJJASOND"
MEMBERS = 4
LAGS = (-23, -15, -7, 0)
"""Days from the nominal start to those of lagged members, as the Met Office's hindcasts."""


def date(month: int, calendar: str = "standard", day: int = 1):
    """The date in a month that is counted from January of year 0."""
    if calendar == "standard":
        return np.datetime64(f"{month // 12:04d}-{month % 12 + 1:02d}-{day:02d}", "ns")
    import cftime

    return cftime.datetime(month // 12, month % 12 + 1, day, calendar=calendar)


def days(month: int, calendar: str = "standard") -> int:
    return (date(month + 1, calendar) - date(month, calendar)) // (
        np.timedelta64(1, "D") if calendar == "standard" else __import__("datetime").timedelta(1)
    )


def value(start: int, member: int, month: int) -> float:
    """What a member of a nominal start says of a month: different for all three."""
    return 1000.0 * (start % 997) + 100.0 * member + month - 12 * 1990


def season(start: int, lead: int) -> str:
    at = (start + lead) % 12
    return LETTERS[at : at + 3]


def season_means(starts: list[int], lead: int, calendar: str = "standard") -> np.ndarray:
    """The means that a hindcast must give, shape (starts, members)."""
    means = []
    for s in starts:
        months = [s + lead + k for k in range(3)]
        weights = [days(m, calendar) for m in months]
        means.append(
            [np.average([value(s, n, m) for m in months], weights=weights) for n in range(MEMBERS)]
        )
    return np.array(means)


def fields(starts: list[int], leads: range) -> np.ndarray:
    """Values along starts, members and leads counted from 0."""
    return np.array([[[value(s, n, s + k) for k in leads] for n in range(MEMBERS)] for s in starts])


def c3s_netcdf(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    """Netcdf of the Climate Data Store."""
    dims = ("forecast_reference_time", "number", "forecastMonth")
    coords = {
        dims[0]: [date(s, calendar) for s in starts],
        "number": np.arange(MEMBERS),
        "forecastMonth": ("forecastMonth", np.array(leads) + 1, {"units": "1"}),
    }
    data = xr.Dataset({"t2m": (dims, fields(starts, leads), {"units": "K"})}, coords)
    return data.transpose("number", ...)


def c3s_first_days(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    valid = [[date(s + k, calendar) for k in leads] for s in starts]
    return c3s_netcdf(starts, leads, calendar).assign_coords(
        valid_time=(("forecast_reference_time", "forecastMonth"), valid)
    )


def c3s_ends(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    valid = [[date(s + k + 1, calendar) for k in leads] for s in starts]
    return c3s_netcdf(starts, leads, calendar).assign_coords(
        valid_time=(("forecast_reference_time", "forecastMonth"), valid)
    )


def with_bounds(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    """C3S's first convention: days since the start, stamped anywhere, with bounds."""
    data = c3s_netcdf(starts, leads, calendar)
    edges = np.cumsum([0, *(days(starts[0] + k, calendar) for k in range(leads.stop))])
    spans = np.stack([edges[:-1], edges[1:]], 1)[leads.start :].astype(float)
    data = data.rename(forecastMonth="leadtime", forecast_reference_time="reftime")
    lead = ("leadtime", spans[:, 0] + 1.0, {"units": "days", "bounds": "leadtime_bnds"})
    return data.assign_coords(leadtime=lead, leadtime_bnds=(("leadtime", "bnds"), spans))


def grib(
    starts: list[int], leads: range, calendar: str = "standard", lags: tuple[int, ...] = (0,)
) -> xr.Dataset:
    """What cfgrib makes of monthly means: steps of all starts side by side, others missing.

    Members are divided among the lags, and each has one number.
    """
    fields = {}
    per_lag = MEMBERS // len(lags)
    for s in starts:
        for n in range(MEMBERS):
            real = date(s) + np.timedelta64(lags[n // per_lag], "D")
            for k in leads:
                fields[real, n, date(s + k + 1) - real] = value(s, n, s + k)
    times, _, steps = (sorted(set(axis)) for axis in zip(*fields, strict=True))
    values = np.full((len(times), MEMBERS, len(steps)), np.nan)
    for (real, n, step), known in fields.items():
        values[times.index(real), n, steps.index(step)] = known
    data = xr.Dataset(
        {"t2m": (("time", "number", "step"), values, GRIB)},
        {
            "time": ("time", times, {"standard_name": "forecast_reference_time"}),
            "step": ("step", steps, {"standard_name": "forecast_period"}),
            "number": ("number", np.arange(MEMBERS), {"standard_name": "realization"}),
        },
    )
    valid = data.time.variable.set_dims(("time", "step")).data + np.array(steps)
    attrs = {"standard_name": "time"}
    return data.assign_coords(valid_time=(("time", "step"), valid, attrs)).transpose("number", ...)


def lagged_grib(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    return grib(starts, leads, calendar, LAGS)


def lagged_months(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    """``time_dims=("forecastMonth", "time")``: real starts, months counted from nominal ones."""
    dims = ("time", "number", "forecastMonth")
    times = [date(s) + np.timedelta64(lag, "D") for s in starts for lag in LAGS]
    values = np.full((len(times), MEMBERS, len(leads)), np.nan)
    for k in range(len(times)):
        n = k % MEMBERS
        values[k, n] = fields([starts[k // MEMBERS]], leads)[0, n]
    time = ("time", times, {"long_name": "initial time of forecast"})
    coords = {"time": time, "forecastMonth": np.array(leads) + 1}
    return xr.Dataset({"t2m": (dims, values, GRIB)}, coords)


def nominal_months(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    """``time_dims=("forecastMonth", "indexing_time")``, and NetCDF of lagged systems."""
    return c3s_netcdf(starts, leads, calendar).rename(forecast_reference_time="indexing_time")


def verifying_months(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    """``time_dims=("verifying_time", "time")``: months by the date of their first day."""
    months = lagged_months(starts, leads)
    dates = sorted({date(s + k) for s in starts for k in leads})
    values = np.full((len(LAGS) * len(starts), MEMBERS, len(dates)), np.nan)
    for k, s in enumerate(np.repeat(starts, len(LAGS))):
        for at, lead in enumerate(leads):
            values[k, :, dates.index(date(s + lead))] = months.t2m[k, :, at]
    attrs = {"standard_name": "time"}
    coords = {"time": months.time, "verifying_time": ("verifying_time", dates, attrs)}
    return xr.Dataset({"t2m": (("time", "number", "verifying_time"), values, GRIB)}, coords)


def starts_of_members(starts: list[int], leads: range, calendar: str = "standard") -> xr.Dataset:
    """Nominal starts, and a start for each member, from which its steps are counted."""
    real = np.array([[date(s) + np.timedelta64(lag, "D") for lag in LAGS] for s in starts])
    ends = np.array([[date(s + k + 1) for k in leads] for s in starts])
    spans = ends[:, None] - real[:, :, None]
    steps = np.unique(spans)
    values = np.full((len(starts), MEMBERS, steps.size), np.nan)
    every = fields(starts, leads)
    for at in np.ndindex(spans.shape):
        values[at[0], at[1], np.searchsorted(steps, spans[at])] = every[at]
    return xr.Dataset(
        {"t2m": (("indexing_time", "number", "step"), values, GRIB)},
        {
            "indexing_time": [date(s) for s in starts],
            "step": steps,
            "time": (("indexing_time", "number"), real),
        },
    )


ANY_CALENDAR = (c3s_netcdf, c3s_first_days, c3s_ends, with_bounds, nominal_months)
STANDARD_CALENDAR = (grib, lagged_grib, lagged_months, verifying_months, starts_of_members)


@settings(max_examples=150, deadline=None)
@given(
    layout=st.sampled_from(ANY_CALENDAR + STANDARD_CALENDAR),
    calendar=st.sampled_from(("standard", "noleap", "360_day")),
    first=st.integers(12 * 1990, 12 * 1990 + 47),
    years=st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True).map(sorted),
    lead=st.integers(0, 4),
    more=st.integers(0, 2),
    later=st.booleans(),
)
def test_months_are_those_that_the_values_say(layout, calendar, first, years, lead, more, later):
    if layout in STANDARD_CALENDAR:
        calendar = "standard"
    starts = [first + 12 * year for year in years]
    leads = range(lead if later else 0, lead + 3 + more)
    if layout is with_bounds and calendar == "standard":  # one axis for leap years and others
        starts = starts[:1]
    data = layout(starts, leads, calendar)
    made = hindcast_seasons(data, season(first, lead), anomalies=False)
    expected = season_means(starts, lead, calendar)
    np.testing.assert_allclose(made.tas.transpose("time", "realization"), expected, rtol=1e-12)
    last = np.array(starts) + lead + 2
    assert made.season_year.values.tolist() == (last // 12).tolist()
    reference = made.forecast_reference_time
    assert (12 * reference.dt.year + reference.dt.month - 1).values.tolist() == starts


@pytest.mark.parametrize("layout", STANDARD_CALENDAR)
def test_a_lead_is_chosen_among_starts_of_all_months(layout):
    starts = [12 * 1999 + k for k in range(24)]
    data = layout(starts, range(6))
    with pytest.raises(InputError, match="DJF is 0, 1, 2, .* months ahead; choose one: lead=0"):
        hindcast_seasons(data, "DJF")
    for lead in range(4):
        made = hindcast_seasons(data, "DJF", lead=lead, anomalies=False).tas
        some = [12 * 1999 + 11 - lead, 12 * 2000 + 11 - lead]
        np.testing.assert_allclose(made, season_means(some, lead), rtol=1e-12)
    one = data.isel({d: [0] for d in data.t2m.dims if d in ("time", "indexing_time")})
    with pytest.raises(InputError, match="lead=3, and from the starts.*leave it out"):
        hindcast_seasons(one, "DJF", lead=3)


@pytest.mark.parametrize("layout", [grib, lagged_grib, lagged_months, verifying_months])
def test_lagged_members_stay_lazy(layout):
    starts = [12 * 1999 + 10, 12 * 2000 + 10]
    data = layout(starts, range(4))
    lazy = hindcast_seasons(data.chunk({"time": 1}), "DJF", anomalies=False).tas
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy, season_means(starts, 1), rtol=1e-12)


def test_members_that_share_a_number_are_told_apart_outside_of_grib():
    """As CFSv2's runs every five days: each start has the same four numbers."""
    starts, leads = [12 * 1999 + 10, 12 * 2000 + 10], range(4)
    times = [date(s) + np.timedelta64(lag, "D") for s in starts for lag in (-5, 0)]
    values = np.repeat(fields(starts, leads), 2, 0)
    values[::2] += 50  # members of the earlier start
    data = xr.Dataset(
        {"tas": (("S", "M", "forecastMonth"), values)}, {"S": times, "forecastMonth": [1, 2, 3, 4]}
    )
    made = hindcast_seasons(data, "DJF", anomalies=False).tas
    expected = season_means(starts, 1)
    np.testing.assert_allclose(made, np.concatenate([expected + 50, expected], 1))
    data.tas.attrs = GRIB
    with pytest.raises(InputError, match="members of one number"):
        hindcast_seasons(data, "DJF", anomalies=False)
    # A start that is not there leaves its members missing.
    fewer = hindcast_seasons(data.isel(S=[0, 1, 3]).drop_attrs(), "DJF", anomalies=False).tas
    assert fewer.notnull().sum("realization").values.tolist() == [8, 4]


def test_one_start_is_a_forecast_too():
    starts = [12 * 2000 + 10]
    for layout in (grib, nominal_months, c3s_ends):
        data = layout(starts, range(4))
        start = next(d for d in data.t2m.dims if d not in ("number", "step", "forecastMonth"))
        one = data.isel({start: 0})
        made = hindcast_seasons(one, "DJF", anomalies=False).tas
        np.testing.assert_allclose(made, season_means(starts, 1), rtol=1e-12)


def test_starts_within_months_are_refused_where_they_leave_the_month_open():
    starts = [12 * 2000 + 9, 12 * 2001 + 9]
    within = [date(s, day=25) for s in starts]
    c3s = c3s_netcdf(starts, range(6)).assign_coords(forecast_reference_time=within)
    with pytest.raises(InputError, match=r"lie within months \(2000-10-25.*indexing_time="):
        hindcast_seasons(c3s, "DJF")
    said = c3s.assign_coords(
        indexing_time=("forecast_reference_time", [date(s + 1) for s in starts])
    )
    made = hindcast_seasons(said, "DJF", anomalies=False)
    assert str(made.forecast_reference_time.values[0])[:7] == "2000-11"
    ends = [33.0, 64.0, 94.0, 125.0, 156.0]  # to the ends of November, ... with partial October
    spans = c3s.isel(forecastMonth=slice(5)).rename(forecastMonth="step")
    spans = spans.assign_coords(step=("step", np.array(ends) + 4, {"units": "days"}))
    with pytest.raises(InputError, match="begin or end there; give first=0"):
        hindcast_seasons(spans, "DJF")
    plain = c3s.rename(forecastMonth="lead")  # counted from the start's own month
    assert hindcast_seasons(plain, "DJF").season_year.values.tolist() == [2001, 2002]
    doubled = xr.concat(
        [plain, plain.assign_coords(forecast_reference_time=[date(s, day=17) for s in starts])],
        "forecast_reference_time",
    )
    with pytest.raises(InputError, match="leads are counted in months"):
        hindcast_seasons(doubled, "DJF")


def test_months_that_contradict_the_valid_time_are_refused():
    starts = [12 * 2000 + 10, 12 * 2001 + 10]
    data = c3s_first_days(starts, range(5))
    with pytest.raises(InputError, match="begin with 0, before.*own month, 1"):
        hindcast_seasons(data.assign_coords(forecastMonth=np.arange(5)), "DJF")
    with pytest.raises(InputError, match="contradict each other"):
        hindcast_seasons(data.assign_coords(forecastMonth=np.arange(3, 8)), "DJF")
    spans = grib(starts, range(5))
    moved = spans.assign_coords(valid_time=spans.valid_time + np.timedelta64(62, "D"))
    with pytest.raises(InputError, match="62 days apart"):
        hindcast_seasons(moved, "DJF")


def test_missing_months_are_told_with_their_dates():
    data = grib([12 * 2000 + 10, 12 * 2001 + 10], range(3))
    with pytest.raises(
        InputError, match="2000-11-01 is 2000-12 to 2001-02, and leads cover 2000-11"
    ):
        hindcast_seasons(data, "DJF")


def test_a_shift_by_a_month_gives_plausible_scores_and_other_values():
    """Why values must say what they are of: persistence makes the neighbouring season as good."""
    rng = np.random.default_rng(0)
    months = np.cumsum(rng.normal(size=(40, 8)), 1)  # anomalies that persist, by year and month
    starts = [date(12 * (1960 + k) + 10) for k in range(40)]
    members = months[:, None, :] + rng.normal(size=(40, 10, 8))
    grid = {
        "lat": ("lat", [-45.0, 45.0], {"units": "degrees_north"}),
        "lon": ("lon", [90.0, 270.0], {"units": "degrees_east"}),
    }

    def layout(values: np.ndarray, dims: tuple[str, ...]) -> xr.Dataset:
        whole = np.broadcast_to(values[..., None, None], (*values.shape, 2, 2))
        coords = {"forecast_reference_time": starts, "forecastMonth": np.arange(1, 9), **grid}
        return xr.Dataset({"tas": ((*dims, "lat", "lon"), whole, {"units": "K"})}, coords)

    hindcast = layout(members, ("forecast_reference_time", "number", "forecastMonth"))
    truth = hindcast_seasons(layout(months, ("forecast_reference_time", "forecastMonth")), "DJF")
    late = hindcast.assign_coords(forecastMonth=hindcast.forecastMonth + 1)
    made, shifted = (hindcast_seasons(part, "DJF") for part in (hindcast, late))
    scores = verify(made, truth, references={"shifted": shifted}, metrics=["acc"]).acc
    assert float(scores.min()) > 0.8  # both look good ...
    assert float(abs(made.tas - shifted.tas).max()) > 0.5  # ... and are not the same


def read_ukmo(*time_dims: str) -> xr.Dataset:
    pytest.importorskip("cfgrib", reason="GRIB files need cfgrib: pip install 'xai4land[grib]'")
    path = SHARED / "grids" / "forecast_monthly_ukmo.grib"
    if not path.is_file():
        pytest.skip("the Met Office's forecast is not beside this checkout (../shared/data/grids)")
    how = {"indexpath": "", **({"time_dims": time_dims} if time_dims else {})}
    return xr.open_dataset(path, engine="cfgrib", backend_kwargs=how)


@pytest.mark.parametrize(
    "time_dims",
    [
        (),
        ("forecastMonth", "time"),
        ("verifying_time", "time"),
        ("verifying_time", "indexing_time"),
    ],
)
@pytest.mark.parametrize(
    ("name", "at", "share"), [("JFM", 0, (31, 29, 31)), ("FMA", 1, (29, 31, 30))]
)
def test_a_real_lagged_forecast_is_the_same_in_all_layouts(time_dims, name, at, share):
    """Starts on four days from the month before the nominal one, seven members each."""
    months = read_ukmo("forecastMonth", "indexing_time").t2m.isel(indexing_time=at).load()
    expected = (months * xr.DataArray(list(share), dims="forecastMonth")).sum("forecastMonth")
    made = hindcast_seasons(read_ukmo(*time_dims), name, lead=0, anomalies=False)
    assert made.sizes["realization"] == 28
    np.testing.assert_allclose(made.tas.isel(time=0), expected / sum(share), rtol=1e-6)
    assert str(made.forecast_reference_time.values[0])[:10] == f"2016-0{at + 1}-01"
