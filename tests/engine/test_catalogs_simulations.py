"""Simulations of a search in one form: names, units, months, grids; nothing computed."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from catalog_files import UNION, write_catalog
from hypothesis import given, settings
from hypothesis import strategies as st

import xai4land
from xai4land import InputError
from xai4land.catalogs import harmonise, open_simulations, stack_simulations
from xai4land.catalogs.harmonising import decode_years
from xai4land.catalogs.variables import known_variables

pytest.importorskip("intake_esm")


@pytest.fixture
def cat():
    return xai4land.open_catalog("sample")


def stored(cat, **query) -> xr.Dataset:
    """What a store holds, by plain xarray."""
    [row] = cat.search(**query).df.to_dict("records")
    engine = "zarr" if row["format"] == "zarr" else "netcdf4"
    return xr.open_dataset(row["path"].removeprefix("file://"), engine=engine)


def monthly(values, calendar="standard", start="2000-01", **attrs) -> xr.Dataset:
    time = xr.date_range(start, periods=len(values), freq="MS", calendar=calendar, use_cftime=True)
    data = xr.DataArray(values, {"time": time}, ("time",), name="t2m", attrs=attrs)
    data["time"].attrs["standard_name"] = "time"
    return data.to_dataset()


def no_compute(dsk, keys, **kwargs):
    raise AssertionError("something was computed")


def test_models_with_other_units_calendars_and_grids_become_alike(cat):
    found = cat.search(variable_id=["tas", "psl"], table_id=["Amon", "mon"])
    made = open_simulations(found)
    assert list(made) == [
        "SAMPLE-A r1i1p1f1",
        "SAMPLE-A r2i1p1f1",
        "SAMPLE-B r1i1p1f1",
        "SAMPLE-C r1i1p1f1",
    ]
    first = made["SAMPLE-A r1i1p1f1"]
    for data in made.values():
        assert data.tas.attrs["units"] == "K"
        assert data.psl.attrs["units"] == "Pa"
        assert data.indexes["time"].equals(first.indexes["time"])
    raw = stored(cat, source_id="SAMPLE-B", variable_id="tas", experiment_id="historical")
    ours = made["SAMPLE-B r1i1p1f1"].tas.sel(time=slice("1950", "1989"))
    np.testing.assert_allclose(ours.values, raw.tas.values + 273.15, atol=1e-4)
    raw = stored(cat, source_id="SAMPLE-B", variable_id="psl", experiment_id="ssp245")
    ours = made["SAMPLE-B r1i1p1f1"].psl.sel(time=slice("1990", "1999"))
    np.testing.assert_allclose(ours.values, 100 * raw.psl.values, rtol=1e-6)


def test_rain_is_in_common_units_whatever_a_source_means_by_metres(cat):
    [era] = open_simulations(cat.search(source_id="SAMPLE-ERA5", variable_id="tp")).values()
    raw = stored(cat, source_id="SAMPLE-ERA5", variable_id="tp")
    assert raw.tp.attrs["units"] == "m"
    np.testing.assert_allclose(86.4 * era.pr.mean(), raw.tp.mean(), rtol=1e-5)
    [model] = open_simulations(cat.search(source_id="SAMPLE-B", variable_id="pr")).values()
    assert era.pr.attrs["units"] == model.pr.attrs["units"] == "kg m-2 s-1"
    assert float(model.pr.mean()) == pytest.approx(float(era.pr.mean()), rel=0.1)


def test_a_reanalysis_with_other_names_is_the_same(cat):
    [data] = open_simulations(cat.search(source_id="SAMPLE-ERA5")).values()
    raw = stored(cat, source_id="SAMPLE-ERA5", variable_id="t2m")
    assert data.tas.dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(data.tas.values, raw.t2m.values)
    assert data.time.dt.strftime("%Y-%m").values[[0, -1]].tolist() == ["1950-01", "1999-12"]


def test_nothing_is_computed(cat):
    found = cat.search(source_id=["SAMPLE-A", "SAMPLE-B"], variable_id=["tas", "sftlf"])
    with dask.config.set(scheduler=no_compute):
        made = open_simulations(found, mask="land", years=(1980, 1999))
        one_grid = {name: data for name, data in made.items() if "SAMPLE-A" in name}
        stacked = stack_simulations(one_grid)
    assert stacked.tas.sizes["time"] == 240


def test_a_scenario_follows_its_history(cat):
    [data] = open_simulations(cat.search(source_id="SAMPLE-C", variable_id="tas")).values()
    months = data.time.dt.year.values * 12 + data.time.dt.month.values
    assert (np.diff(months) == 1).all()
    assert data.attrs["experiment_id"] == "historical ssp245"
    later = stored(cat, source_id="SAMPLE-C", variable_id="tas", experiment_id="ssp245")
    np.testing.assert_array_equal(data.tas[-120:].values, later.tas.values)


def test_experiments_that_overlap_are_refused(cat):
    found = cat.search(source_id="SAMPLE-A", variable_id="tas", member_id="r1i1p1f1")
    table = found.df
    table.loc[table.experiment_id == "ssp245", "path"] = table.path[
        table.experiment_id == "historical"
    ].item()
    with pytest.raises(InputError, match=r"'tas' of .* and of .* overlap"):
        open_simulations(found)


def test_a_mask_keeps_land_or_sea(cat):
    query = {"source_id": "SAMPLE-A", "member_id": "r1i1p1f1", "variable_id": ["tas", "sftlf"]}
    found = cat.search(**query)
    land, sea, all_ = (
        next(iter(open_simulations(found, mask=mask).values())).tas[0].values
        for mask in ("land", "sea", None)
    )
    part = stored(cat, source_id="SAMPLE-A", variable_id="sftlf").sftlf.values
    assert 0 < (part > 50).mean() < 1
    np.testing.assert_array_equal(np.isfinite(land), part > 50)
    np.testing.assert_array_equal(np.where(np.isfinite(land), land, sea), all_)


def test_a_mask_needs_the_part_of_land(cat):
    with pytest.raises(InputError, match="SAMPLE-A r1i1p1f1: mask='land' needs"):
        open_simulations(cat.search(source_id="SAMPLE-A", variable_id="tas"), mask="land")


def test_one_dataset_tells_which_members_there_are(cat):
    found = cat.search(source_id=["SAMPLE-A", "SAMPLE-C"], variable_id="tas")
    made = open_simulations(found)
    stacked = stack_simulations(made)
    assert stacked.tas.dims[:3] == ("source_id", "member_id", "time")
    assert stacked.simulated.sel(source_id="SAMPLE-C").values.tolist() == [True, False]
    there = stacked.tas.sel(source_id="SAMPLE-A", member_id="r2i1p1f1")
    np.testing.assert_array_equal(there.values, made["SAMPLE-A r2i1p1f1"].tas.values)
    assert stacked.tas.sel(source_id="SAMPLE-C", member_id="r2i1p1f1").isnull().all()


def test_other_grids_and_calendars_are_not_stacked(cat):
    found = cat.search(source_id=["SAMPLE-A", "SAMPLE-B"], variable_id="tas")
    with pytest.raises(InputError, match="SAMPLE-B r1i1p1f1 is on another grid"):
        stack_simulations(open_simulations(found))
    made = open_simulations(cat.search(source_id="SAMPLE-A", variable_id="tas"))
    made["odd"] = made["SAMPLE-A r1i1p1f1"].convert_calendar("noleap", use_cftime=True)
    with pytest.raises(InputError, match="odd has another calendar"):
        stack_simulations(made)


def test_years_that_are_not_there_are_refused(cat):
    with pytest.raises(InputError, match="no month from 2050 to 2060"):
        open_simulations(cat.search(source_id="SAMPLE-C", variable_id="tas"), years=(2050, 2060))


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["standard", "noleap", "360_day", "julian"]),
    st.integers(1, 2300),
    st.integers(1, 12),
    st.integers(1, 30),
    st.sampled_from(["standard", "noleap", "360_day"]),
)
def test_months_stay_months_in_any_calendar(calendar, year, month, length, wanted):
    data = monthly(np.arange(float(length)), calendar, f"{year:04d}-{month:02d}", units="K")
    made = harmonise(data, calendar=wanted)
    before, after = data.time.dt, made.time.dt
    np.testing.assert_array_equal(made.tas.values, data.t2m.values)
    np.testing.assert_array_equal(after.year.values, before.year.values)
    np.testing.assert_array_equal(after.month.values, before.month.values)
    bounds = made.time_bnds.values
    assert (bounds[1:, 0] == bounds[:-1, 1]).all()
    assert (bounds[:, 0] < made.time.values).all()
    assert (made.time.values < bounds[:, 1]).all()


def test_gaps_and_days_are_refused():
    months = monthly(np.arange(12.0), units="K")
    with pytest.raises(InputError, match="not one month apart"):
        harmonise(months.isel(time=[0, 1, 3]))
    days = months.assign_coords(time=xr.date_range("2000-01-01", periods=12, freq="D"))
    days["time"].attrs["standard_name"] = "time"
    with pytest.raises(InputError, match="not one month apart"):
        harmonise(days)


def test_all_that_cannot_be_harmonised_is_listed():
    data = monthly([1.0, 2.0], units="furlong")
    data["msl"] = data.t2m.assign_attrs(units="")
    data["slp"] = data.t2m.assign_attrs(units="Pa")
    with pytest.raises(InputError) as refused:
        harmonise(data)
    text = str(refused.value)
    assert "'t2m' has units 'furlong'" in text
    assert "'msl' has no units" in text
    assert "two variables are 'psl'" in text


@pytest.mark.parametrize(
    ("name", "units", "source", "value", "expected"),
    [
        ("tp", "m", "ERA5.mon", 0.00864, 1e-4),  # metres a day
        ("tp", "m", "ERA5.1hr", 0.00036, 1e-4),  # metres an hour
        ("pr", "mm/day", "", 8.64, 1e-4),
        ("pr", "kg m**-2 s**-1", "", 1e-4, 1e-4),
        ("t2m", "degC", "", 0.0, 273.15),
        ("sst", "K", "", 273.15, 0.0),
        ("slp", "hPa", "", 1013.25, 101325.0),
        ("sftlf", "%", "", 25.0, 0.25),
    ],
)
def test_units_are_converted(name, units, source, value, expected):
    data = xr.Dataset({name: ("x", [value], {"units": units})})
    made = harmonise(data, source=source)
    [array] = made.data_vars.values()
    np.testing.assert_allclose(array.values, expected, atol=1e-9)
    assert array.attrs["units"] == next(v.units for v in known_variables() if v.name == array.name)


def test_a_maximum_is_no_mean():
    warmest = monthly([300.0, 301.0], units="K", standard_name="air_temperature").rename(
        t2m="tasmax"
    )
    assert list(harmonise(warmest).data_vars) == ["tasmax"]


def test_metres_of_rain_are_not_guessed():
    data = xr.Dataset({"tp": ("x", [1.0], {"units": "m"})})
    with pytest.raises(InputError, match="'tp' has units 'm'"):
        harmonise(data)


@given(st.integers(1, 2500), st.integers(0, 1200))
@settings(deadline=None)
def test_years_since_a_year_are_dates(first, passed):
    time = xr.DataArray([float(passed)], dims="time")
    time.attrs = {"units": f"years since {first}-01-01 0:0:0", "calendar": "noleap"}
    made = decode_years(xr.Dataset(coords={"time": time}))
    assert made.time.dt.year.item() == first + passed
    assert (made.time.dt.month.item(), made.time.dt.day.item()) == (1, 1)


def test_an_emulator_learns_from_a_search(cat):
    from xai4land_seasonal import Settings, fit
    from xai4land_seasonal.data.sources import split_sources

    found = cat.search(source_id=["SAMPLE-A", "SAMPLE-C"], variable_id="tas")
    stacked = stack_simulations(open_simulations(found))
    assert [name for name, _ in split_sources(stacked)] == [
        "SAMPLE-A r1i1p1f1",
        "SAMPLE-A r2i1p1f1",
        "SAMPLE-C r1i1p1f1",
    ]
    [obs] = open_simulations(cat.search(source_id="SAMPLE-ERA5", variable_id="t2m")).values()
    emulator = fit(
        obs.sel(time=slice("1960", None)),
        simulations=found.search(source_id="SAMPLE-C"),
        validation=10,
        progress=False,
        parameters={"width": 16, "heads": 2, "depth": 1, "networks": 1},
        settings=Settings(epochs=1),
    )
    assert emulator.card.targets == ("tas",)
    made = obs.seasonal.forecast(
        "DJF", members=3, years=1999, emulator=emulator, climatology=(1951, 1980)
    )
    assert np.isfinite(made.tas.values).all()


def own_catalog(folder, fields):
    """A catalog of datasets, each a store of its own, with the columns that are given."""
    rows = []
    for k, (columns, data) in enumerate(fields):
        data.to_netcdf(folder / f"{k}.nc")
        same = {"source_id": "M", "experiment_id": "historical", "member_id": "r1i1p1f1"}
        same |= {"table_id": "Amon", "variable_id": str(next(iter(data.data_vars)))}
        rows.append({**same, **columns, "path": str(folder / f"{k}.nc")})
    path = write_catalog(
        folder,
        rows,
        groups=("source_id", "experiment_id", "table_id"),
        aggregations=(UNION, {"type": "join_new", "attribute_name": "member_id"}),
    )
    return xai4land.open_catalog(path)


def field(name="tas", years=2, start="2000-01", lat=(-60.0, 0.0, 60.0), value=1.0, units="K"):
    time = xr.date_range(start, periods=12 * years, freq="MS", calendar="noleap", use_cftime=True)
    lat, lon = np.array(lat), np.arange(0.0, 360, 90)
    values = np.full((time.size, lat.size, lon.size), value, np.float32)
    data = xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": units})},
        {"time": time, "lat": lat, "lon": lon},
    )
    data["time"].attrs["standard_name"] = "time"
    data["lat"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
    data["lon"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    return data


def test_variables_and_experiments_on_other_grids_are_refused(tmp_path):
    other = [({}, field()), ({}, field("psl", lat=(-45.0, 45.0), units="Pa"))]
    with pytest.raises(InputError, match="two grids, or on another than"):
        open_simulations(own_catalog(tmp_path, other))
    turned = field(start="2002-01", lat=(60.0, 0.0, -60.0))
    later = [({}, field()), ({"experiment_id": "ssp245"}, turned)]
    again = tmp_path / "later"
    again.mkdir()
    with pytest.raises(InputError, match="two grids, or on another than"):
        open_simulations(own_catalog(again, later))


def test_noise_in_coordinates_makes_no_other_grid(tmp_path):
    noisy = field("psl", lat=(-60.0 + 1e-13, 1e-13, 60.0), units="Pa")
    [made] = open_simulations(own_catalog(tmp_path, [({}, field()), ({}, noisy)])).values()
    assert made.sizes["lat"] == 3
    assert made.psl.notnull().all()


def test_a_short_member_is_not_filled_up(tmp_path):
    some = [({}, field(years=2)), ({"member_id": "r2i1p1f1"}, field(years=1))]
    made = open_simulations(own_catalog(tmp_path, some))
    assert [data.sizes["time"] for data in made.values()] == [24, 12]


def test_the_newest_version_is_taken_whatever_else_differs(tmp_path):
    new = ({"version": "v20200101", "tracking_id": "a"}, field(value=2.0))
    old = ({"version": "v20190101", "tracking_id": "b"}, field(value=-999.0, years=1))
    [made] = open_simulations(own_catalog(tmp_path, [new, old])).values()
    assert (made.tas == 2).all()
    assert made.sizes["time"] == 24


def test_years_long_ago_may_be_chosen(tmp_path):
    old = own_catalog(tmp_path, [({}, field(start="0101-01", years=3))])
    [made] = open_simulations(old, years=(102, 9000)).values()
    assert made.time.dt.year.values[[0, -1]].tolist() == [102, 103]


def test_whole_percents_become_parts():
    data = xr.Dataset({"sftlf": ("x", np.array([70], np.int16), {"units": "%"})})
    np.testing.assert_allclose(harmonise(data).sftlf.values, [0.7], rtol=1e-6)


def in_calendar(data, calendar):
    return data.convert_calendar(calendar, use_cftime=True, align_on="date")


def test_other_calendars_are_refused_once(cat):
    with pytest.raises(InputError, match="calendar='hebrew', expected") as refused:
        open_simulations(cat.search(variable_id="tas"), calendar="hebrew")
    assert len(refused.value.problems) == 1


def test_two_calendars_are_one_or_are_refused(tmp_path):
    later = field(start="2002-01", value=3.0)
    parts = [({}, in_calendar(field(), "360_day")), ({"experiment_id": "ssp245"}, later)]
    found = own_catalog(tmp_path, parts)
    [made] = open_simulations(found).values()
    np.testing.assert_array_equal(made.tas[:, 0, 0].values, [1.0] * 24 + [3.0] * 24)
    assert made.time.dt.calendar == "proleptic_gregorian"
    with pytest.raises(InputError, match="'tas' is there in two calendars, 360_day and noleap"):
        open_simulations(found, calendar=None)


def test_two_calendars_are_not_stacked(tmp_path):
    other = in_calendar(field(), "360_day")
    found = own_catalog(tmp_path, [({}, field()), ({"source_id": "N"}, other)])
    with pytest.raises(InputError, match="N r1i1p1f1 has another calendar"):
        stack_simulations(open_simulations(found, calendar=None))
    assert stack_simulations(open_simulations(found)).tas.sizes["time"] == 24


def test_variables_in_two_calendars_are_refused(tmp_path):
    other = in_calendar(field("psl", units="Pa"), "360_day")
    found = own_catalog(tmp_path, [({}, field()), ({}, other)])
    with pytest.raises(InputError, match="several calendars, 360_day, noleap"):
        open_simulations(found, calendar=None)


def test_two_tables_of_one_variable_are_told_apart(tmp_path):
    found = own_catalog(tmp_path, [({}, field()), ({"table_id": "Emon"}, field())])
    with pytest.raises(InputError, match=r"two tables, Amon and Emon; search with one table_id="):
        open_simulations(found)


def fixed_land(values):
    land = field("sftlf", units="%").isel(time=0, drop=True)
    return land.assign(sftlf=land.sftlf.copy(data=np.array(values, np.float32)))


def test_a_mask_is_not_laid_over_another_grid(tmp_path):
    sea = xr.Dataset(
        {"tos": (("time", "j", "i"), np.ones((24, 2, 2), np.float32), {"units": "degC"})},
        {
            "time": field().time,
            "latitude": (("j", "i"), [[0.0, 0.0], [9.0, 9.0]], {"standard_name": "latitude"}),
            "longitude": (("j", "i"), [[0.0, 9.0], [0.0, 9.0]], {"standard_name": "longitude"}),
        },
    )
    land = ({"table_id": "fx"}, fixed_land(np.full((3, 4), 100)))
    found = own_catalog(tmp_path, [({}, field()), ({"table_id": "Omon"}, sea), land])
    with pytest.raises(InputError, match="mask='sea' cannot be laid over tos"):
        open_simulations(found, mask="sea")


@pytest.mark.parametrize("mask", ["land", "sea"])
def test_where_nobody_knows_if_there_is_land_there_is_neither(tmp_path, mask):
    part = np.full((3, 4), 100.0 if mask == "land" else 0.0)
    part[0] = np.nan
    land = ({"table_id": "fx"}, fixed_land(part))
    [made] = open_simulations(own_catalog(tmp_path, [({}, field()), land]), mask=mask).values()
    np.testing.assert_array_equal(made.tas[0].notnull().values, np.isfinite(part))


def test_a_gap_is_said_with_the_years_to_choose(tmp_path):
    gap = field(years=4).isel(time=[*range(24), *range(36, 48)])
    found = own_catalog(tmp_path, [({}, gap)])
    with pytest.raises(InputError, match="2001-12.* and 2003-01.*choose years without the gap"):
        open_simulations(found)
    [made] = open_simulations(found, years=(2000, 2001)).values()
    assert made.sizes["time"] == 24


def test_stacked_months_have_bounds_and_no_gap(tmp_path):
    later = ({"source_id": "N"}, field(start="2004-01"))
    made = open_simulations(own_catalog(tmp_path, [({}, field()), later]))
    with pytest.raises(InputError, match="no month in common"):
        stack_simulations(made)
    outer = stack_simulations(made, join="outer")
    months = outer.time.dt.year.values * 12 + outer.time.dt.month.values
    np.testing.assert_array_equal(np.diff(months), 1)
    assert outer.sizes["time"] == 72
    first, second = outer.tas.sel(member_id="r1i1p1f1")[:, :, 0, 0]
    assert first.notnull().values.nonzero()[0].tolist() == list(range(24))
    assert second.notnull().values.nonzero()[0].tolist() == list(range(48, 72))
    assert outer.time.attrs["bounds"] == "time_bnds"
    assert (outer.time_bnds[:, 0] < outer.time).all()
    assert (outer.time < outer.time_bnds[:, 1]).all()


def test_names_of_sources_are_said_once():
    from xai4land_seasonal.data.sources import split_sources

    one = field().assign_attrs(source_id="A")
    two = xr.concat(
        [field(), field()], xr.DataArray(["r1", "r2"], dims="member_id", name="member_id")
    )
    given = {"A": {"r1": one, "r2": one}, "B": two, "C": one}
    names = [name for name, _ in split_sources(given)]
    assert names == ["A r1", "A r2", "B r1", "B r2", "C"]
    assert [name for name, _ in split_sources(one)] == ["A"]


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_months_stamped_at_their_end_are_those_of_their_bounds(tmp_path, calendar):
    """As CESM and CICE store them: years, experiments and months go by ``time_bnds``."""

    def ending(first, years, value):
        edges = xr.date_range(
            f"{first}-01-01", periods=12 * years + 1, freq="MS", calendar=calendar, use_cftime=True
        ).values
        values = value + np.tile(np.arange(1.0, 13), years)
        attrs = {"standard_name": "time", "bounds": "time_bnds"}
        data = xr.Dataset(
            {"tas": ("time", values, {"units": "K"})},
            {
                "time": ("time", edges[1:], attrs),
                "time_bnds": (("time", "bnds"), np.stack([edges[:-1], edges[1:]], -1)),
            },
        )
        for name in ("time", "time_bnds"):
            data[name].encoding = {"units": "days since 1990-01-01", "calendar": calendar}
        return data

    fields = [
        ({"experiment_id": "historical"}, ending(1990, 3, 100)),
        ({"experiment_id": "ssp245"}, ending(1993, 2, 200)),
    ]
    found = own_catalog(tmp_path, fields)
    [data] = open_simulations(found, years=(1991, 1993)).values()
    assert data.time.dt.strftime("%Y-%m").values[[0, -1]].tolist() == ["1991-01", "1993-12"]
    np.testing.assert_array_equal(data.tas % 100, data.time.dt.month)
    np.testing.assert_array_equal(data.tas // 100, 1 + (data.time.dt.year.values > 1992))
    [same] = open_simulations(found, years=(1991, 1993), calendar=None).values()
    np.testing.assert_array_equal(same.time.dt.month, data.time.dt.month)
