"""What seasons give, before the CF checker and iris."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from compliance import complaints
from seasonal_worlds import monthly, red_noise
from xai4land import open_store, write
from xai4land_seasonal import (
    calibrate,
    combine,
    forecast,
    hindcast_seasons,
    rebase,
    seasonal_means,
    tercile_probabilities,
    verify,
)

YEARS = range(1930, 1950)
METRICS = ["acc", "acc_pvalue", "rmse", "crpss", "rpss", "walk_pvalue", "roc_above"]
POOLED = ["reliability_above", "rank_histogram"]


def make_hindcast() -> xr.Dataset:
    starts = xr.date_range("1993-11-01", periods=6, freq="12MS")
    values = np.random.default_rng(0).normal(size=(6, 6, 4, 6, 12))
    fields = monthly(red_noise(20, 6, 12)).drop_vars("time").tas[0]
    dims = ("init", "lead", "member", "lat", "lon")
    coords = {"init": starts, "lead": np.arange(1, 7), **fields.coords}
    return xr.Dataset({"tas": xr.DataArray(values, coords, dims, attrs={"units": "K"})})


def make_world() -> xr.Dataset:
    world = monthly(red_noise(50, 6, 12)).assign_attrs(title="a small world")
    world["tas"].attrs |= {"standard_name": "air_temperature", "cell_methods": "time: mean"}
    return world


@pytest.fixture
def world() -> xr.Dataset:
    return make_world()


@pytest.fixture(scope="module")
def outputs() -> dict[str, xr.Dataset]:
    """One output of each kind."""
    world = make_world()
    made = forecast(world, ("DJF", "JJA"), years=YEARS, members=5, emulator="persistence")
    other = forecast(world, ("DJF", "JJA"), years=YEARS, members=5, emulator="trend")
    how = {"references": ["trend"], "intervals": 20, "progress": False}
    return {
        "forecast": made,
        "terciles": tercile_probabilities(made, world),
        "scores": verify(made, world, metrics=[*METRICS, *POOLED]),
        "mean scores": verify(
            made, world, metrics=METRICS, dim=("time", "lat", "lon", "season"), **how
        ),
        "scores of regions": verify(
            made, world, metrics=[*METRICS, *POOLED], regions=["europe"], **how
        ),
        "calibrated": calibrate(made, world),
        "combined": combine(made, {"trend": other}),
        "rebased": rebase(made, (1930, 1949), obs=world),
        "seasonal means": seasonal_means(world),
        "hindcast": hindcast_seasons(make_hindcast(), "NDJ"),
    }


@pytest.fixture(scope="module")
def files(outputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    return {
        kind: write(data, folder / f"{kind.replace(' ', '_')}.nc", progress=False)
        for kind, data in outputs.items()
    }


KINDS = (
    "forecast", "terciles", "scores", "mean scores", "scores of regions", "calibrated", "combined",
    "rebased", "seasonal means", "hindcast",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_finds_no_error(files, kind):
    assert not complaints(files[kind], "lenient")


@pytest.mark.parametrize("kind", KINDS)
def test_no_attribute_names_what_is_not_there(outputs, kind):
    made = outputs[kind]
    for name, variable in made.variables.items():
        for attribute in ("bounds", "grid_mapping", "ancillary_variables"):
            for named in str(variable.attrs.get(attribute, "")).split():
                assert named in made.variables, (name, attribute, named)
        if name not in made.coords and "units" in variable.attrs:
            assert "axis" not in variable.attrs, name
    assert made.attrs["Conventions"].startswith("CF-1.")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_back_is_the_same(outputs, files, kind):
    made, again = outputs[kind].compute(), open_store(files[kind]).compute()
    for name, variable in made.data_vars.items():
        np.testing.assert_array_equal(again[name].values, variable.values)
        assert again[name].attrs.get("units") == variable.attrs.get("units"), name


def test_probabilities_and_intervals_have_units_of_their_own(outputs):
    chance = outputs["terciles"].tas_probability
    assert set(chance.attrs) == {"long_name", "units", "comment", "grid_mapping"}
    assert chance.attrs["units"] == "1"
    scores = outputs["mean scores"]
    for name in ("acc", "crpss", "rpss"):
        for key in (name, f"{name}_interval", f"{name}_gain_interval"):
            assert scores[key].attrs["units"] == "1"
            assert set(scores[key].attrs) == {"long_name", "units"}
    assert scores.rmse_interval.attrs["units"] == "K"


@pytest.mark.parametrize(
    "kind", ["forecast", "terciles", "scores", "calibrated", "combined", "rebased"]
)
def test_maps_say_where_they_lie(outputs, files, kind):
    for made in (outputs[kind], open_store(files[kind])):
        for name, array in made.data_vars.items():
            gridded = {"lat", "lon"} <= set(array.dims)
            assert (array.attrs.get("grid_mapping") == "crs") == gridded, name
        assert made.crs.attrs["grid_mapping_name"] == "latitude_longitude"


def test_scores_without_a_grid_have_no_grid_mapping(outputs):
    assert "crs" not in outputs["mean scores"].variables


def test_fields_keep_their_own_grid_mapping(world):
    attrs = {"grid_mapping_name": "latitude_longitude", "earth_radius": 6371229.0}
    mapped = world.assign(sphere=((), 0, attrs))
    mapped["tas"].attrs["grid_mapping"] = "sphere"
    hindcast = make_hindcast().assign(sphere=((), 0, attrs))
    hindcast["tas"].attrs["grid_mapping"] = "sphere"
    for made in (
        seasonal_means(mapped),
        hindcast_seasons(hindcast, "NDJ"),
        forecast(mapped, "DJF", years=[1949], members=2, emulator="persistence"),
    ):
        assert made.tas.attrs["grid_mapping"] == "sphere"
        assert made.sphere.attrs == attrs


def test_anomalies_have_the_names_of_anomalies():
    """CF has one for temperature; a flux that is an anomaly has none."""
    absolute = monthly(red_noise(50, 6, 12) + 280)
    absolute["tas"].attrs |= {"standard_name": "air_temperature", "units": "K"}
    absolute["pr"] = absolute.tas.assign_attrs(standard_name="precipitation_flux")
    made = seasonal_means(absolute, climatology=(1900, 1929))
    assert made.tas.attrs["standard_name"] == "air_temperature_anomaly"
    assert made.tas.attrs["units_metadata"] == "temperature: difference"
    assert "standard_name" not in made.pr.attrs
    assert "anomaly" in made.pr.attrs["long_name"]
    plain = seasonal_means(absolute)
    assert plain.tas.attrs["standard_name"] == "air_temperature"
    hindcast = make_hindcast()
    hindcast["tas"].attrs["standard_name"] = "air_temperature"
    made = hindcast_seasons(hindcast, "NDJ")
    assert made.tas.attrs["standard_name"] == "air_temperature_anomaly"
    plain = hindcast_seasons(hindcast, "NDJ", anomalies=False)
    assert plain.tas.attrs["standard_name"] == "air_temperature"


def test_bins_say_which_probabilities_they_hold(outputs):
    scores = outputs["scores"]
    np.testing.assert_allclose(scores.bin, np.arange(0.05, 1, 0.1))
    np.testing.assert_allclose(scores.bin_bnds[3], [0.3, 0.4])
    inside = scores.reliability_above_probability.values
    low, high = scores.bin_bnds.values.T
    known = np.isfinite(inside)
    assert ((inside >= low - 1e-9) | ~known).all()
    assert ((inside <= high + 1e-9) | ~known).all()


@pytest.mark.parametrize("kind", ["terciles", "mean scores", "calibrated"])
def test_iris_reads_it_without_complaint(files, kind):
    iris = pytest.importorskip("iris", reason="iris is not installed (pip install scitools-iris)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*is a variable length type of kind <class 'str'>")
        cubes = {cube.var_name: cube for cube in iris.load(str(files[kind]))}
    assert kind != "terciles" or cubes["tas_probability"].standard_name is None


def test_files_that_xarray_opens_are_products_again(outputs, files):
    """Where bounds are variables like others."""
    world = monthly(red_noise(50, 6, 12))
    with xr.open_dataset(files["forecast"], chunks={}) as plain:
        assert "time_bnds" in plain.data_vars
        for function in (calibrate, tercile_probabilities, verify):
            assert "time_bnds" not in function(plain, world).data_vars or function is calibrate
        assert rebase(plain, (1930, 1949), obs=world).tas.shape == outputs["forecast"].tas.shape
        both = combine(plain, {"same": plain})
        assert both.sizes["realization"] == 10
        assert both.time_bnds.dims == ("time", "bnds")
