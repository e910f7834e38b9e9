"""Outputs in the hands of others: xarray again, iris, CDO, the CF checker."""

from __future__ import annotations

import shutil
import subprocess
import warnings

import numpy as np
import pytest

import xai4land
from compliance import complaints
from xai4land import open_store, write
from xai4land.catalogs import open_simulations

KINDS = ("map", "forecast", "regridded", "classes", "simulation")


@pytest.fixture(scope="module")
def outputs(world, emulator):
    """One output of each kind."""
    from seasonal_worlds import monthly, red_noise

    months = monthly(red_noise(40, 6, 12))
    world = world.assign_attrs(title="a small world")
    world["truth"].attrs["long_name"] = "true class"
    grid = xai4land.regrid(world[["height"]], 20.0)
    made = {
        "map": world.ai4land.reconstruct(emulator),
        "forecast": months.seasonal.forecast("DJF", members=3, emulator="damped persistence"),
        "regridded": grid,
        "classes": xai4land.regrid(world[["truth"]], 10.0, "majority"),
    }
    if pytest.importorskip("intake_esm"):
        cat = xai4land.open_catalog("sample")
        found = cat.search(source_id="SAMPLE-B", variable_id=["tas", "sftlf"])
        [made["simulation"]] = open_simulations(found, years=(1988, 1992)).values()
    return made


@pytest.fixture(scope="module")
def files(outputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    return {
        kind: {
            ending: write(data, folder / f"{kind}.{ending}", progress=False)
            for ending in ("nc", "zarr")
        }
        for kind, data in outputs.items()
    }


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_said_against_what_is_written(outputs, kind, ending, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(outputs[kind], tmp_path / f"made.{ending}", progress=False)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_back_is_the_same(outputs, files, kind, ending):
    made = outputs[kind].compute()
    again = open_store(files[kind][ending]).compute()
    again = again.set_coords([n for n in made.coords if n in again])
    for name, variable in made.variables.items():
        values = again[name].values
        if variable.dtype.kind in "Mm":
            np.testing.assert_array_equal(values.astype("M8[s]"), variable.values.astype("M8[s]"))
        elif name == "confidence":  # kept in steps of a hundredth
            np.testing.assert_allclose(values, variable.values, atol=0.005 + 1e-6)
        else:
            np.testing.assert_array_equal(values, variable.values)
    assert set(again.variables) == set(made.variables)


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_finds_no_error(files, kind):
    assert not complaints(files[kind]["nc"], "lenient")


@pytest.mark.parametrize("kind", KINDS)
def test_iris_reads_it_without_complaint(outputs, files, kind):
    iris = pytest.importorskip("iris", reason="iris is not installed (pip install scitools-iris)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Words in coordinates are read whole, which iris says.
        warnings.filterwarnings("ignore", ".*is a variable length type of kind <class 'str'>")
        cubes = iris.load(str(files[kind]["nc"]))
    found = {cube.var_name: cube for cube in cubes}
    made = outputs[kind].compute()
    attached = {a.var_name for cube in cubes for a in cube.ancillary_variables()}
    assert set(found) | attached == set(map(str, made.data_vars))
    for name, cube in found.items():
        array = made[name]
        for coord in ("latitude", "longitude"):
            bounds = [c for c in made.coords if str(c)[:3] == coord[:3] and "bnds" in str(c)]
            assert cube.coord(coord).has_bounds() == bool(bounds)
        values = np.ma.filled(cube.data.astype(float), np.nan)
        expected = array.values.astype(float)
        if (fill := array.encoding.get("_FillValue")) is not None:
            expected = np.where(array.values == fill, np.nan, expected)
        np.testing.assert_allclose(values, expected, atol=0.006)


@pytest.mark.parametrize("kind", KINDS)
def test_cdo_reads_it(outputs, files, kind):
    if shutil.which("cdo") is None:
        pytest.skip("cdo is not installed (apt-get install cdo)")
    path, made = str(files[kind]["nc"]), outputs[kind].compute()
    said = cdo("griddes", path)
    assert "gridtype  = lonlat" in said.stdout
    complaints = [line for line in said.stderr.splitlines() if "warning" in line.lower()]
    # CF's auxiliary coordinates along time are more than CDO knows.
    auxiliary = [name for name in made.coords if name not in made.dims]
    assert not [c for c in complaints if not any(str(name) in c for name in auxiliary)]
    assert not complaints or kind == "forecast"
    name = str(next(iter(made.data_vars)))
    values = cdo("-s", "outputf,%.6f", "-seltimestep,1", f"-selname,{name}", path).stdout.split()
    first = made[name].isel(dict.fromkeys(made[name].dims[:-2], 0)).values.ravel()
    np.testing.assert_allclose([float(v) for v in values[: first.size]], first, atol=1e-5)


def cdo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["cdo", *arguments], capture_output=True, text=True, check=True)
