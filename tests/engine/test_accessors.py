"""Accessors: every method is a public function, with the data bound as its first argument."""

from __future__ import annotations

import inspect
from importlib import import_module

import numpy as np
import pytest
import xarray as xr

import xai4land
from xai4land import InputError

NO_METHODS = {
    "xai4land_land": {
        "change_reference": "begins with the name of a rule",
        "leaf_area_reference": "begins with the name of a reference",
        "open_luh2": "takes files",
        "place_by_truth": "takes two maps",
        "place_randomly": "takes two maps",
        "prepare_koppen": "takes what one file of a provider holds",
        "prepare_population": "takes what one file of a provider holds",
        "prepare_soil": "takes what files of a provider hold",
    },
    "xai4land_seasonal": {"anomalies": "takes an array of months, as part of other functions"},
}
"""Public functions that are no methods, and why."""

ACCESSORS = [("ai4land", "xai4land_land"), ("seasonal", "xai4land_seasonal")]


def methods(accessor) -> set[str]:
    return {name for name in dir(accessor) if not name.startswith("_")}


@pytest.mark.parametrize(("name", "package"), ACCESSORS)
def test_methods_and_functions_are_the_same(name, package):
    module = import_module(package)
    accessor = getattr(xr.Dataset(), name)
    functions = {n: getattr(module, n) for n in module.__all__}
    functions = {n: f for n, f in functions.items() if inspect.isfunction(f)}
    engine = {n: getattr(xai4land, n) for n in ("explain", "regrid", "write")}
    assert methods(accessor) == {*functions, *engine} - set(NO_METHODS[package])
    for method in methods(accessor):
        function, bound = {**functions, **engine}[method], getattr(accessor, method)
        assert bound.__doc__ == function.__doc__
        _, *rest = inspect.signature(function).parameters.values()
        assert list(inspect.signature(bound).parameters.values()) == rest
        assert getattr(type(accessor), method) is function


def test_help_shows_the_functions_documentation(capsys):
    help(xr.Dataset().ai4land.reconstruct)
    out = capsys.readouterr().out
    assert "reconstruct(emulator: " in out
    assert "batch_size" in out
    assert xai4land.sample("land").ai4land.reconstruct.__name__ == "reconstruct"


def test_an_array_has_the_methods_that_take_one_variable(tmp_path):
    planet = xai4land.sample("land", years=[2000])
    cover = planet.land_cover
    assert methods(cover.ai4land) == {
        "coast_distance",
        "evaluate",
        "explain",
        "flip_rates",
        "fractions",
        "plot",
        "plot_change",
        "score_structure",
        "score_years",
        "regrid",
        "terrain",
        "to_legend",
        "write",
    }
    assert not hasattr(cover.ai4land, "fit")
    with pytest.raises(AttributeError, match=r"fit takes a Dataset.*to_dataset"):
        cover.ai4land.fit  # noqa: B018
    coarse = planet.urban.ai4land.regrid(5.0, engine="xarray-regrid")
    assert isinstance(coarse, xr.DataArray)
    assert coarse.name == "urban"
    path = coarse.seasonal.write(tmp_path / "urban.zarr", progress=False)
    xr.testing.assert_equal(xai4land.open_store(path).urban.compute(), coarse)
    scores = cover.ai4land.evaluate(cover)
    assert float(scores.accuracy[0]) == 1
    assert cover.ai4land.plot().axes
    with pytest.raises(InputError, match="has no name.*rename"):
        cover.rename(None).ai4land.plot()


def test_an_array_of_months_gives_seasons():
    climate = xai4land.sample("climate", years=range(1900, 1903))
    means = climate.tas.seasonal.seasonal_means("JJA")
    xr.testing.assert_equal(means, climate[["tas"]].seasonal.seasonal_means("JJA"))
    assert np.isfinite(means.tas).all()
