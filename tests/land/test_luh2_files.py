"""LUH2's files, odd as they are, become inputs; what is not LUH2 is refused."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

from xai4land import InputError
from xai4land_land import open_luh2

LAT, LON = np.arange(75.0, -90, -30), np.arange(-150.0, 180, 60)


def states(first, years, *, flip=False, noise=0.0, value=0.25):
    """As LUH2 stores its states: years since a year, a fill value of another name."""
    since = 850 if first < 2015 else 2015
    values = np.full((years, LAT.size, LON.size), value, np.float32)
    values += np.linspace(0, 0.1, LAT.size, dtype=np.float32)[:, None]
    values[:, 0, 0] = 1e20
    data = xr.Dataset(
        {"primf": (("time", "lat", "lon"), values), "bounds": (("lat", "two"), np.zeros((6, 2)))},
        {"time": np.arange(float(years)) + first - since, "lat": LAT + noise, "lon": LON},
    )
    data["time"].attrs = {"units": f"years since {since}-01-01 0:0:0", "calendar": "365_day"}
    data["primf"].attrs = {"_Fillvalue": np.float32(1e20), "units": "1"}
    return data.isel(lat=slice(None, None, -1)) if flip else data


@pytest.fixture
def folder(tmp_path):
    states(2010, 6).to_netcdf(tmp_path / "states_v2h.nc")
    states(2015, 5, value=0.5).to_netcdf(tmp_path / "states_v2f.nc")
    return tmp_path


def test_history_and_scenario_are_one(folder):
    made = open_luh2(str(folder / "states_*.nc"))
    assert made.time.dt.year.values.tolist() == list(range(2010, 2020))
    expected = np.linspace(0, 0.1, LAT.size)
    np.testing.assert_allclose(made.primf[5, :, 1], 0.25 + expected, atol=1e-6)  # of 2015
    np.testing.assert_allclose(made.primf[6, :, 1], 0.5 + expected, atol=1e-6)
    assert made.primf[:, 0, 0].isnull().all()
    assert made.primf[:, 1:].notnull().all()
    assert made.lat.attrs["standard_name"] == "latitude"


def test_nothing_is_read_but_coordinates(folder):
    def no_compute(*args, **kwargs):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=no_compute):
        open_luh2(folder / "states_v2h.nc", years=(2011, 2012))


def test_files_and_datasets_are_taken_alike(folder):
    paths = [folder / "states_v2f.nc", folder / "states_v2h.nc"]
    opened = [xr.open_dataset(path, decode_times=False) for path in paths]
    expected = open_luh2(paths)
    xr.testing.assert_identical(open_luh2(opened).compute(), expected.compute())
    xr.testing.assert_identical(open_luh2([paths[0], opened[1]]).compute(), expected.compute())


@pytest.mark.parametrize("use_cftime", [True, False])
def test_dates_of_any_calendar_are_years(use_cftime):
    calendar = "noleap" if use_cftime else "standard"
    dates = xr.date_range("2010", periods=6, freq="YS", calendar=calendar, use_cftime=use_cftime)
    dated = states(2010, 6).assign_coords(time=dates)
    made = open_luh2([states(2015, 5, value=0.5), dated])
    xr.testing.assert_identical(made, open_luh2([states(2010, 6), states(2015, 5, value=0.5)]))


def test_latitudes_may_run_either_way_and_be_noisy():
    later = states(2015, 5, value=0.5)
    plain = open_luh2([states(2010, 6), later])
    for odd in (states(2015, 5, value=0.5, flip=True), states(2015, 5, value=0.5, noise=1e-6)):
        xr.testing.assert_identical(open_luh2([states(2010, 6), odd]), plain)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "expected files, datasets or a search"),
        (7, "not int"),
        ("nowhere/*.nc", r"no file nowhere/\*.nc; download it"),
        ([states(2010, 6), states(2015, 5, noise=3.0)], "from 2010 and from 2015 are on two grids"),
        ([states(2010, 6), states(2010, 6)], "overlap; give the history and one scenario"),
        (states(2010, 2).drop_vars("primf"), r"no variable on \(time, lat, lon\)"),
        (states(2010, 2).isel(time=[0, 0]), "a year is there twice"),
    ],
)
def test_what_is_no_luh2_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        open_luh2(source)


def test_all_files_that_cannot_be_read_are_listed(folder):
    (folder / "a.nc").write_text("no file of climate")
    with pytest.raises(InputError) as refused:
        open_luh2([folder / "a.nc", folder / "b.nc", folder / "states_v2h.nc"])
    unread, absent = refused.value.problems
    assert "a.nc cannot be read" in unread
    assert "no file" in absent


def test_years_that_are_not_there():
    with pytest.raises(InputError, match=r"no year from \(1700, 1710\)"):
        open_luh2(states(2010, 6), years=(1700, 1710))
