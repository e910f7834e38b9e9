"""LUH2's and LUH3's files, odd as they are, become inputs; what is neither is refused."""

from __future__ import annotations

import warnings

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land import InputError
from xai4land_land import open_luh2, states_from_luh2
from xai4land_land.legends import LEGENDS

LAT, LON = np.arange(75.0, -90, -30), np.arange(-150.0, 180, 60)
LUH2 = [
    *("primf", "primn", "secdf", "secdn", "urban", "pastr", "range"),
    *("c3ann", "c4ann", "c3per", "c4per", "c3nfx"),
]
ICE_WATER = 0.2


def states(first, years, *, flip=False, noise=0.0, more=0.0):
    """As LUH2 stores its states: years since a year, a fill value of another name."""
    since = 850 if first < 2015 else 2015
    year = np.arange(float(years)) + first
    values = np.broadcast_to(0.25 + more + 0.02 * (year - 2010)[:, None, None], (years, 6, 6))
    values = (values + np.linspace(0, 0.1, LAT.size)[:, None]).astype(np.float32)
    values[:, 0, 0] = 1e20
    data = xr.Dataset(
        {"primf": (("time", "lat", "lon"), values), "bounds": (("lat", "two"), np.zeros((6, 2)))},
        {"time": year - since, "lat": LAT + noise, "lon": LON},
    )
    data["time"].attrs = {"units": f"years since {since}-01-01 0:0:0", "calendar": "365_day"}
    data["primf"].attrs = {"_Fillvalue": np.float32(1e20), "units": "1"}
    return data.isel(lat=slice(None, None, -1)) if flip else data


def luh3(first, last, *, plantations=0.0, crops=0.0):
    """As LUH3 stores its states: days since 850 without leap days, bounds, plantations.

    Cropland expands into forest by a thousandth of the cell a year from 1800; ``crops`` is more
    of it.
    """
    years = np.arange(first, last + 1)
    shape = (years.size, LAT.size, LON.size)
    fields = {name: np.full(shape, 0.05) for name in (*LUH2, "secma", "secmb")}
    fields["c3ann"] = fields["c3ann"] + 0.001 * (years - 1800)[:, None, None] + crops
    fields["primf"] = 1 - ICE_WATER - sum(fields[name] for name in LUH2 if name != "primf")
    fields["secma"] = np.full(shape, 40.0)
    fields["pltns"] = np.full(shape, plantations)
    for values in fields.values():
        values[:, 0, 0] = 1e20
    days = 365.0 * (years - 850)
    data = xr.Dataset(
        {name: (("time", "lat", "lon"), v.astype(np.float32)) for name, v in fields.items()},
        {"time": days, "lat": LAT, "lon": LON},
    )
    data["time_bnds"] = (("time", "bnds"), np.stack([days, days + 365], 1))
    data["lat_bnds"] = (("lat", "bnds"), np.stack([LAT + 15, LAT - 15], 1))
    data["time"].attrs = {
        "units": "days since 0850-01-01 00:00:00",
        "calendar": "noleap",
        "bounds": "time_bnds",
    }
    for name in fields:
        data[name].encoding = {"_FillValue": np.float32(1e20)}
    return data


def static(ice_water=ICE_WATER):
    fields = {name: np.full((LAT.size, LON.size), v) for name, v in STATIC.items()}
    fields["icwtr"] = np.full((LAT.size, LON.size), ice_water)
    fields["icwtr"][0, 0] = 1
    return xr.Dataset({n: (("lat", "lon"), v) for n, v in fields.items()}, {"lat": LAT, "lon": LON})


STATIC = {"carea": 770.0, "fstnf": 1.0, "ccode": 4.0}
FILES = {
    "CMIP_UofMD-landState-3-1-2_gn_0850-2024": (1850, 2024, 0.0),
    "ScenarioMIP_UofMD-landState-vl-3-1-1_gn_2022-2100": (2022, 2100, 1e20),
    "ScenarioMIP_UofMD-landState-vl-ext-3-1_gn_2100-2500": (2100, 2105, 1e20),
}


@pytest.fixture
def folder(tmp_path):
    states(2010, 6).to_netcdf(tmp_path / "states_v2h.nc")
    states(2015, 5, more=0.001).to_netcdf(tmp_path / "states_v2f.nc")
    return tmp_path


@pytest.fixture(scope="module")
def luh3_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("luh3")
    for name, (first, last, plantations) in FILES.items():
        made = luh3(first, last, plantations=plantations)
        made.to_netcdf(folder / f"multiple-states_input4MIPs_landState_{name}.nc")
    name = "multiple-static_input4MIPs_landState_CMIP_UofMD-landState-3-1-2_gn.nc"
    static().to_netcdf(folder / name)
    return folder


def test_history_and_scenario_are_one(folder):
    made = open_luh2(str(folder / "states_*.nc"))
    assert made.time.dt.year.values.tolist() == list(range(2010, 2020))
    expected = np.linspace(0, 0.1, LAT.size)
    np.testing.assert_allclose(made.primf[5, :, 1], 0.35 + expected, atol=1e-6)  # of 2015
    np.testing.assert_allclose(made.primf[6, :, 1], 0.371 + expected, atol=1e-6)
    assert made.primf[:, 0, 0].isnull().all()
    assert made.primf[:, 1:].notnull().all()
    assert made.lat.attrs["standard_name"] == "latitude"


def test_luh3_from_1850_to_2100_in_one_call(luh3_folder):
    made = open_luh2(str(luh3_folder / "*.nc"), years=(1850, 2100))
    years = made.time.dt.year.values
    assert years.tolist() == list(range(1850, 2101))
    assert (made.time.dt.dayofyear == 1).all()  # states are those of January 1
    np.testing.assert_allclose(made.c3ann[:, 1, 1], 0.05 + 0.001 * (years - 1800), atol=1e-6)
    assert made.icwtr.dims == ("lat", "lon")
    total = made[[*LUH2, "pltns"]].to_dataarray().sum("variable") + made.icwtr
    np.testing.assert_allclose(total, 1, atol=1e-6)
    units = {name: made[name].attrs.get("units") for name in ("primf", "pltns", "icwtr")}
    assert set(units.values()) == {"1"}
    assert "standard_name" not in made.secma.attrs
    assert made.secma.attrs["units"] == "year"


@settings(max_examples=15, deadline=None)
@given(end=st.integers(2000, 2008), shared=st.integers(0, 5), backwards=st.booleans())
def test_parts_give_the_whole_series_however_it_was_cut(end, shared, backwards):
    first = max(2000, end + 1 - shared)
    parts = [luh3(2000, end), luh3(first, 2010)]
    made = open_luh2(parts[::-1] if backwards else parts)
    xr.testing.assert_identical(made, open_luh2(luh3(2000, 2010)))


def test_plantations_are_zero_on_land_where_there_are_no_data(luh3_folder):
    [scenario] = luh3_folder.glob("multiple-states*vl-3-1-1*")
    for made in (open_luh2(scenario), open_luh2(luh3(2022, 2024).drop_vars("pltns"))):
        assert (made.pltns[:, 1:] == 0).all()
        assert made.pltns[:, 0, 0].isnull().all()
    made = open_luh2(luh3(2022, 2024, plantations=0.1))
    np.testing.assert_allclose(made.pltns[:, 1:], 0.1, atol=1e-7)


def test_the_retracted_version_is_warned_of():
    first, last = (
        luh3(2000, 2001).assign_attrs(source_id=f"UofMD-landState-{version}")
        for version in ("3-0", "3-1-2")
    )
    with pytest.warns(UserWarning, match="3-0 was retracted, since it has spurious spikes"):
        open_luh2(first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_luh2(last)


def test_static_files_can_be_opened_alone():
    made = open_luh2(static())
    assert made.sizes == {"lat": 6, "lon": 6}
    assert made.icwtr.attrs["standard_name"] == "area_fraction"
    assert set(made.data_vars) == {*STATIC, "icwtr"}


def test_plantations_are_forest(luh3_folder):
    koppen = xr.DataArray(
        np.full((180, 360), 10, np.uint8),
        {"lat": np.arange(89.5, -90, -1), "lon": np.arange(-179.5, 180)},
        ("lat", "lon"),
        attrs={"standard_name": "climate"},
    )
    for name in ("lat", "lon"):
        koppen[name].attrs["units"] = f"degrees_{'north' if name == 'lat' else 'east'}"
    without = open_luh2(luh3(2000, 2001))
    planted = open_luh2(luh3(2000, 2001, plantations=0.1))
    gained = states_from_luh2(planted, koppen) - states_from_luh2(without, koppen)
    np.testing.assert_allclose(gained.forest[:, 1:], 0.1, atol=1e-6)
    np.testing.assert_allclose(gained.water[:, 1:], -0.1, atol=1e-6)
    legend = LEGENDS["hilda"]
    assert legend.vocabulary(planted)["forest"] == ("primf", "secdf", "pltns")
    assert legend.vocabulary(planted.drop_vars("pltns"))["forest"] == ("primf", "secdf")


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (  # the same years, with other values
            [luh3(2015, 2024), luh3(2022, 2030, crops=0.05)],
            r"in 2024, which both parts have, (c3ann|primf) differs by 0.050 at 75°N -90°E",
        ),
        (  # no common year, another area of land
            [luh3(2015, 2024), luh3(2025, 2030, plantations=0.03)],
            "from 2024 to 2025 the sum of the states changes, by 0.030 at 75°N -90°E",
        ),
        (
            [luh3(2015, 2024), luh3(2025, 2030), static(ICE_WATER + 0.1)],
            "states, ice and water do not add up to one, by 0.100",
        ),
        (
            [luh3(2015, 2024), luh3(2024, 2030).roll(lat=1)],
            "in 2024, which both parts have, 2 cells are land in one part and not in the other",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_when_they_meet(parts, message, lazy):
    def open_and_compute(first, last):
        chosen = [part.chunk() for part in parts] if lazy else parts
        return open_luh2(chosen).sel(time=slice(str(first), str(last))).compute()

    with pytest.raises(InputError, match=message):
        open_and_compute(2015, 2030)
    if lazy:  # what lies on one side of the seam is not touched by it
        assert open_and_compute(2015, 2024).sizes["time"] == 10


def test_a_large_change_within_a_year_is_warned_of():
    with pytest.warns(UserWarning, match=r"changes by 0.301 at 75°N -90°E; do history and"):
        open_luh2([luh3(2015, 2024), luh3(2025, 2030, crops=0.3)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_luh2([luh3(2015, 2024), luh3(2025, 2030, crops=0.1)])


def test_years_that_lack_between_parts_and_all_that_is_wrong():
    with pytest.raises(InputError) as refused:
        open_luh2([states(1990, 5), states(2000, 10), states(2010, 6), states(2010, 6)])
    gap, twice = refused.value.problems
    assert "no part has 1995 to 1999, between the part until 1994 and the one from 2000" in gap
    assert "2010 to 2015 and of 2010 to 2015 overlap" in twice


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
    made = open_luh2([states(2015, 5, more=0.001), dated])
    xr.testing.assert_identical(made, open_luh2([states(2010, 6), states(2015, 5, more=0.001)]))


def test_latitudes_may_run_either_way_and_be_noisy():
    later = states(2015, 5, more=0.001)
    plain = open_luh2([states(2010, 6), later])
    for odd in (states(2015, 5, more=0.001, flip=True), states(2015, 5, more=0.001, noise=1e-6)):
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
        (states(2010, 2).isel(time=[1, 0]), "years do not ascend"),
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


@pytest.mark.parametrize(
    ("years", "message"),
    [
        ((2010, 2100), r"these files have 2010 to 2015; add the file .* years=\(2010, 2015\)"),
        ((2015, 2010), "expected the first and the last year"),
        (2010, "expected the first and the last year"),
    ],
)
def test_years_beyond_the_files_and_odd_ones_are_refused(years, message):
    with pytest.raises(InputError, match=message):
        open_luh2(states(2010, 6), years=years)
