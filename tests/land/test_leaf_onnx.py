"""Leaf area as an ONNX file: the same numbers, by another runtime."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from test_leaf_area import make_climate
from test_steps import small_region

import xai4land
from xai4land import EmulatorFileError, InputError
from xai4land.coupling import Stepper
from xai4land_land import leaf_area
from xai4land_land.leaf.climate import compute_day_length

onnx = pytest.importorskip("onnx", reason="pip install 'xai4land[onnx]'")
runtime = pytest.importorskip("onnxruntime", reason="pip install 'xai4land[onnx]'")
pytest.importorskip("onnxscript", reason="pip install 'xai4land[onnx]'")

ROWS = 20


@pytest.fixture(scope="module")
def emulator():
    return xai4land.load_emulator("leaf-area")


@pytest.fixture(scope="module")
def file(emulator, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "leaf.onnx"
    found = emulator.export(path, cells=16)
    assert max(found.values()) < 1e-5
    return path


@pytest.fixture(scope="module")
def region(emulator):
    """Fractions, elevation and climate, which is missing in a corner."""
    rng = np.random.default_rng(0)
    names = [*emulator.card.outputs.coarse_inputs, "water"]
    shares = rng.dirichlet(np.ones(len(names)), (ROWS, ROWS)).astype("f4")
    cover = xr.Dataset(
        {n: (("lat", "lon"), shares[..., k], {"units": "1"}) for k, n in enumerate(names)},
        small_region(0.01, ROWS, 10.0, 10.0),
    )
    height = rng.uniform(0, 900, (ROWS, ROWS)).astype("f4")
    static = xr.Dataset({"elevation": (("lat", "lon"), height, {"units": "m"})}, cover.coords)
    climate = make_climate(years=(1999, 2000), rain=False)
    fine = climate.tas.interp(lat=cover.lat, lon=cover.lon).astype("f4")
    fine = fine.where((cover.lat > 9.85) | (cover.lon > 10.05))
    return cover, static, fine.assign_attrs(climate.tas.attrs).to_dataset(name="tas")


def test_the_file_gives_the_leaf_area_of_torch(emulator, file, region):
    cover, static, climate = region
    how = {"static": static, "precision": "float32", "device": "cpu"}
    expected = leaf_area(cover, climate, emulator, **how).compute()
    made = leaf_area(cover, climate, file, **how).compute()
    xr.testing.assert_allclose(made, expected, atol=1e-4)
    assert 0 < int(made.leaf_area_index.isnull().sum()) < made.leaf_area_index.size
    past, fields = climate.isel(time=slice(0, 11)), cover[list(cover)[:-1]]
    stepper = Stepper(file, cover.assign(tas=climate.tas[0]), static=static, history=past)
    step = stepper.step(fields.assign(tas=climate.tas[11]))
    np.testing.assert_array_equal(step.leaf_area_index, made.leaf_area_index[0])


def test_the_graph_alone_gives_the_leaf_area_of_a_window(emulator, file, region):
    cover, static, climate = region
    expected = leaf_area(cover, climate, emulator, static=static, precision="float32")
    expected = expected.isel(time=0, lat=slice(16), lon=slice(16)).compute()
    now, before = (compute_day_length(cover.lat.values, np.array([k]))[0] for k in (11, 10))
    hours = {"day_length": now, "day_length_change": now - before}
    layers = []
    for spec in emulator.card.inputs:
        if spec.name in cover:
            layers.append(cover[spec.name].values)
        elif spec.name in static:
            layers.append(static[spec.name].values)
        elif "_lag_" in spec.name:
            layers.append(climate.tas.values[11 - int(spec.name.rpartition("_")[2])])
        else:
            layers.append(np.broadcast_to(hours[spec.name][:, None], (ROWS, ROWS)))
    numbers = np.stack(layers)[None, :, :16, :16].astype("f4")
    session = runtime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    made, spread = session.run(["leaf_area_index", "leaf_area_index_spread"], {"numbers": numbers})
    np.testing.assert_allclose(made[0], expected.leaf_area_index.values, atol=1e-4)
    assert np.isnan(spread[0]).sum() == expected.leaf_area_index_spread.isnull().sum()


def test_what_an_exported_file_cannot_do_is_refused(emulator, file, region, tmp_path):
    cover, static, climate = region
    with pytest.raises(InputError, match="with the exported emulator 'leaf-area'"):
        leaf_area(cover, climate, file, static=static, lapse_rate=6.5)
    with pytest.raises(InputError, match="was exported already"):
        xai4land.load_emulator(file).export(tmp_path / "again.onnx")
    with pytest.raises(InputError, match="cells=0, expected a number of pixels"):
        emulator.export(tmp_path / "none.onnx", cells=0)
    model = onnx.load(file)
    [entry] = [e for e in model.metadata_props if e.key == "xai4land"]
    about = json.loads(entry.value)
    for change, message in (
        ({"version": 99}, "is of version 99, expected 1"),
        ({"card": {**about["card"], "kind": "unheard-of"}}, "is an emulator of kind 'unheard-of'"),
        ({"card": {**about["card"], "outputs": {}}}, "has a faulty card"),
    ):
        entry.value = json.dumps({**about, **change})
        onnx.save(model, tmp_path / "other.onnx")
        with pytest.raises(EmulatorFileError, match=message):
            xai4land.load_emulator(tmp_path / "other.onnx")
