"""Emulators as ONNX files: the same maps, by another runtime."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import xai4land
from conftest import plain_emulator, random_emulator, small_card, small_world
from xai4land import EmulatorFileError, InputError, load_emulator
from xai4land.coupling import export
from xai4land_land import reconstruct

onnx = pytest.importorskip("onnx", reason="pip install 'xai4land[onnx]'")
runtime = pytest.importorskip("onnxruntime", reason="pip install 'xai4land[onnx]'")
pytest.importorskip("onnxscript", reason="pip install 'xai4land[onnx]'")

SIZE, RATIO = 24, 4
CELLS = SIZE // RATIO


@pytest.fixture(scope="module")
def world():
    """A world with a height and a state that are missing in part."""
    data = small_world(times=1).drop_vars("truth")
    data["height"] = data.height.where(data.height > -15)
    for name in ("wood", "field", "town"):
        data[name] = data[name].where((data.lat < 60) | (data.lon < 100))
    return data


@pytest.fixture(scope="module")
def emulator():
    """Windows side by side, so that a map is made of single ones."""
    card = small_card()
    outputs = card.outputs.model_copy(update={"smooth": 0.4, "temperature": 1.3})
    return random_emulator(card.with_(outputs=outputs, window={"size": SIZE, "overlap": 0}))


@pytest.fixture(scope="module")
def file(emulator, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    found = emulator.export(path)
    assert found["difference"] < 1e-4
    assert found["agreement"] == 1
    return path


def cut_window(world, emulator, row, column):
    """Return the arguments of the graph for one window, counted in windows."""
    states = np.stack([world[n].isel(time=0).values for n in emulator.card.outputs.states])
    wide = np.pad(states, ((0, 0), (1, 1), (0, 0)), mode="edge")
    wide = np.pad(wide, ((0, 0), (0, 0), (1, 1)), mode="wrap")
    first = row * CELLS, column * CELLS
    cells = wide[:, first[0] : first[0] + CELLS + 2, first[1] : first[1] + CELLS + 2]
    rows, columns = (slice(n * SIZE, (n + 1) * SIZE) for n in (row, column))
    return {
        "states": cells[None].astype(np.float32),
        "numbers": world.height.values[None, None, rows, columns].astype(np.float32),
        "codes": world.zone.values[None, None, rows, columns].astype(np.int64),
    }


@pytest.mark.parametrize(("row", "column"), [(1, 2), (0, 4), (1, 0), (2, 5)])
def test_a_window_has_the_map_that_torch_makes(world, emulator, file, row, column):
    how = {"probabilities": True, "precision": "float32", "baselines": False}
    made = reconstruct(world, emulator, **how).compute().isel(time=0)
    part = {"lat": slice(row * SIZE, (row + 1) * SIZE)}
    part["lon"] = slice(column * SIZE, (column + 1) * SIZE)
    session = runtime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    arguments = cut_window(world, emulator, row, column)
    classes, likely = session.run(["land_cover", "probability"], arguments)
    expected = made.isel(part)
    same = classes[0] == expected.land_cover.values
    assert same.mean() >= 0.999
    known = expected.land_cover.values != 255
    wanted = expected.land_cover_probability.values[:, known]
    np.testing.assert_allclose(likely[0][:, known], wanted, atol=2e-4)


def test_several_windows_are_a_batch(world, emulator, file):
    session = runtime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    one, other = (cut_window(world, emulator, 1, k) for k in (1, 2))
    both = {name: np.concatenate([one[name], other[name]]) for name in one}
    [likely] = session.run(["probability"], both)
    for number, alone in enumerate((one, other)):
        [expected] = session.run(["probability"], alone)
        np.testing.assert_allclose(likely[number], expected[0], atol=1e-6)


def test_reconstruct_runs_the_file(world, emulator, file):
    again = load_emulator(file)
    assert again.card == emulator.card
    how = {"probabilities": True, "precision": "float32", "device": "cpu"}
    expected = reconstruct(world, emulator, **how).compute()
    made = reconstruct(world, again, **how).compute()
    np.testing.assert_allclose(
        made.land_cover_probability, expected.land_cover_probability, atol=1e-4
    )
    assert (made.land_cover == expected.land_cover).mean() >= 0.9999
    assert "ONNX Runtime" in repr(again)
    with pytest.raises(InputError, match="precision='float32'"):
        reconstruct(world, again, precision="bfloat16", device="cpu").compute()


def test_another_process_reads_it_again(world, file):
    from distributed import Client

    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None):
        made = reconstruct(world, load_emulator(file), precision="float32", device="cpu").compute()
    here = reconstruct(world, load_emulator(file), precision="float32", device="cpu")
    xr.testing.assert_equal(made, here.compute(scheduler="synchronous"))


def test_the_file_says_what_is_in_it_and_what_is_not(emulator, file):
    model = onnx.load(file)
    [entry] = [e for e in model.metadata_props if e.key == "xai4land"]
    about = json.loads(entry.value)
    assert about["card"]["name"] == emulator.card.name
    assert about["sha256"] == emulator.sha256
    assert "exact areas" in about["not_inside"]
    assert (about["cells"], about["pixels"]) == (CELLS, RATIO)


def test_an_emulator_without_numbers_and_codes(tmp_path):
    card = small_card()
    states = tuple(s for s in card.inputs if s.role == "dynamic")
    export(plain_emulator(card.with_(inputs=states)), tmp_path / "states.onnx", cells=8)
    data = small_world(times=1)[["wood", "field", "town"]]
    made = reconstruct(data, tmp_path / "states.onnx", target=2.5, precision="float32")
    assert set(np.unique(made.land_cover)) <= {0, 1, 2}


def test_files_of_other_versions_or_makers_are_refused(file, tmp_path):
    model = onnx.load(file)
    [entry] = [e for e in model.metadata_props if e.key == "xai4land"]
    entry.value = json.dumps({**json.loads(entry.value), "version": 99})
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(EmulatorFileError, match="version 99"):
        load_emulator(tmp_path / "new.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(EmulatorFileError, match="not exported by xai4land"):
        load_emulator(tmp_path / "other.onnx")
    (tmp_path / "cut.onnx").write_bytes(file.read_bytes()[:1000])
    with pytest.raises(EmulatorFileError, match="no ONNX file"):
        load_emulator(tmp_path / "cut.onnx")


def test_what_cannot_be_exported_is_refused(emulator, tmp_path):
    with pytest.raises(InputError, match=r"end it in \.onnx"):
        emulator.export(tmp_path / "small.bin")
    with pytest.raises(InputError, match="classes from states"):
        export(xai4land.load_emulator("change-landcover"), tmp_path / "change.onnx")
    odd = emulator.card.with_(resolution={"target": 2.5, "states": 6.0})
    with pytest.raises(InputError, match="whole number of pixels"):
        plain_emulator(odd).export(tmp_path / "odd.onnx")
    assert not list(tmp_path.iterdir())
