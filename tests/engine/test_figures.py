"""Plots: into axes that users bring, in any projection, with labels from CF attributes."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import xai4land_land as land
import xai4land_seasonal as seasonal
from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land.figures import use_axes

FLAGS = {"flag_values": np.array([1, 2], np.uint8), "flag_meanings": "forest cropland"}


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def cover() -> xr.Dataset:
    """Maps of two years and a confidence, on a small grid."""
    random = np.random.default_rng(1)
    lat, lon = np.arange(9.5, 0, -1), np.arange(170.5, 190)
    coords = {
        "time": np.array(["2000-07-01", "2010-07-01"], "datetime64[ns]"),
        "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    codes = random.integers(1, 3, (2, 10, 20)).astype(np.uint8)
    dims = ("time", "lat", "lon")
    made = {"land_cover": (dims, codes, FLAGS), "confidence": (dims, random.random(codes.shape))}
    return xr.Dataset(made, coords)


@pytest.fixture(scope="module")
def made() -> dict[str, xr.Dataset]:
    """A forecast, its observations, and scores."""
    obs = monthly(red_noise(40, 3, 6))
    how = {"years": range(1930, 1938), "members": 5, "emulator": "damped persistence"}
    forecast = seasonal.forecast(obs, ("DJF", "JJA"), **how)
    metrics = ["acc", "reliability_below", "rank_histogram"]
    maps = seasonal.verify(forecast, obs, metrics=metrics, dim="time", progress=False)
    coords = {"lead": [0, 1], "forecast": ["ours"], "season": ["DJF", "JJA"]}
    leads = xr.Dataset({"acc": (("lead", "forecast", "season"), np.ones((2, 1, 2)))}, coords)
    return {"obs": obs, "forecast": forecast, "maps": maps, "leads": leads}


PLOTS = {
    "land plot": (2, lambda c, m, ax: land.plot(c, ax=ax)),
    "years": (2, lambda c, m, ax: land.plot(c, years=[2000, 2010], ax=ax)),
    "change": (1, lambda c, m, ax: land.plot_change(c, c.land_cover, 2000, ax=ax)),
    "land scores": (2, lambda c, m, ax: land.plot_scores(land.evaluate(c, c.land_cover), ax=ax)),
    "calibration": (
        2,
        lambda c, m, ax: land.plot_calibration(land.evaluate(c, c.land_cover), ax=ax),
    ),
    "drift": (
        1,
        lambda c, m, ax: land.plot_years(
            land.score_years(c, c.land_cover, 2000), ["accuracy"], ax=ax
        ),
    ),
    "seasonal plot": (2, lambda c, m, ax: seasonal.plot(m["forecast"], ax=ax)),
    "members": (4, lambda c, m, ax: seasonal.plot_members(m["forecast"], m["obs"], count=2, ax=ax)),
    "plume": (
        1,
        lambda c, m, ax: seasonal.plot_plume(m["forecast"], (-90, 90, 0, 360), ax=ax),
    ),
    "reliability": (2, lambda c, m, ax: seasonal.plot_reliability(m["maps"], ax=ax)),
    "score maps": (2, lambda c, m, ax: seasonal.plot_scores(m["maps"], ax=ax)),
    "leads": (2, lambda c, m, ax: seasonal.plot_skill_by_lead(m["leads"], ax=ax)),
}
MAPS = ("land plot", "change", "seasonal plot", "score maps")


@pytest.mark.parametrize("package", [land, seasonal])
def test_every_plot_takes_axes(package):
    module = import_module(package.__name__)
    for name in module.__all__:
        if name.startswith("plot"):
            parameter = inspect.signature(getattr(module, name)).parameters["ax"]
            assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, None)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_into_the_axes_that_it_is_given(name, cover, made):
    count, draw = PLOTS[name]
    figure, axes = plt.subplots(1, count)
    assert draw(cover, made, axes) is figure
    for axis in np.atleast_1d(axes):
        assert axis.has_data()
    assert figure._suptitle is None  # what is outside of the axes is the user's
    assert not figure.legends
    with pytest.raises(InputError, match=rf"has {count + 1} axes, expected {count} \("):
        draw(cover, made, plt.subplots(1, count + 1)[1])


@pytest.mark.parametrize("name", MAPS)
def test_maps_lie_where_they_should_in_another_projection(name, cover, made):
    crs = pytest.importorskip("cartopy.crs")
    count, draw = PLOTS[name]
    projection = crs.PlateCarree(central_longitude=60)
    figure, axes = plt.subplots(1, count, subplot_kw={"projection": projection}, squeeze=False)
    assert draw(cover, made, axes) is figure
    if name in ("land plot", "change"):
        # 170 to 190 degrees east are 110 to 130 east of the middle.
        [image] = axes[0, 0].images
        np.testing.assert_allclose(image.get_extent(), (110, 130, 0, 10), atol=0.2)
    else:
        west, east = axes[0, 0].get_xlim()
        assert east - west > 350


def test_labels_are_those_of_the_coordinates(cover, made, monkeypatch):
    axes = land.plot_change(cover, cover.land_cover, 2000).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("longitude (°E)", "latitude (°N)")
    monkeypatch.setitem(sys.modules, "cartopy.crs", None)  # as where it is not installed
    axes = seasonal.plot(made["forecast"]).axes[0]
    assert not hasattr(axes, "projection")
    assert axes.get_ylabel().startswith("lat")


def test_axes_in_a_part_of_a_figure_give_the_whole_figure(cover):
    figure = plt.figure()
    part, _ = figure.subfigures(1, 2)
    assert land.plot_change(cover, cover.land_cover, 2000, ax=part.subplots()) is figure


def test_what_is_no_axes_is_refused():
    with pytest.raises(InputError, match="has Figure, expected axes"):
        use_axes(plt.figure(), ["map"])
