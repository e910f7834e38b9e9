"""Several processes train as one does."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from conftest import small_world
from training_runs import start
from xai4land.training.distributed import World, join_world

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_gloo_available(), reason="this torch has no gloo"
)


def read(path, name):
    with path.open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_two_processes_learn_as_one(tmp_path, norm):
    """Windows are shared unevenly, 3 and 2; sums in another order differ in the last digits."""
    how = {
        "batch_size": 5,
        "learning_rate": 1e-2,
        "precision": "float32",
        "parameters": {"widths": [8, 16], "norm": norm},
    }
    for number in (1, 2):
        log = tmp_path / f"{number}.csv"
        run = start(tmp_path / f"{number}.safetensors", number, **how, log=str(log))
        assert run.returncode == 0, run.stderr
    for name in ("loss", "validation_loss", "gradient_norm"):
        one, two = (read(tmp_path / f"{number}.csv", name) for number in (1, 2))
        np.testing.assert_allclose(two, one, rtol=2e-4, err_msg=name)


def test_a_process_that_dies_ends_all_and_the_run_goes_on_from_its_checkpoint(tmp_path):
    how = {"precision": "float32", "parameters": {"widths": [8, 16], "dropout": 0.2}}
    assert start(tmp_path / "whole.safetensors", 2, **how).returncode == 0
    state = {"checkpoint": str(tmp_path / "run.safetensors"), "minutes": 0}
    out = tmp_path / "resumed.safetensors"
    killed = start(out, 2, **how, **state, kill_after=4, kill_rank="1")
    assert killed.returncode == 1
    assert "SIGKILL" in killed.stderr
    assert not out.exists()
    run = start(out, 2, **how, **state)
    assert run.returncode == 0, run.stderr
    assert out.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_one_process_reads_what_all_must_know_before_the_first_step(tmp_path):
    world = small_world(times=1)
    rock = (world.height > 0).astype("int8").assign_attrs(units="")
    chunks = {"lat": 9, "lon": 12, "lat_fine": 24, "lon_fine": 24}
    store = tmp_path / "world.zarr"
    world.assign(rock=rock).chunk(chunks).to_zarr(store, zarr_format=2)
    run = start(tmp_path / "reads", 2, store=str(store), stop=True)
    assert run.returncode == 0, run.stderr
    first, other = (json.loads((tmp_path / f"reads.{rank}").read_text()) for rank in "01")
    read = {name.split("/")[0] for name in first}
    assert {"truth", "height", "rock"} <= read
    assert {n for name, n in first.items() if name.startswith(("truth/", "height/"))} == {1}
    assert {name.split("/")[0] for name in other} <= {"lat", "lon", "lat_fine", "lon_fine", "time"}


def test_what_is_wrong_with_the_data_is_said_by_all_processes(tmp_path):
    world = small_world(times=1)
    store = tmp_path / "world.zarr"
    world.assign(truth=world.truth.where(world.lat_fine > 100)).to_zarr(store, zarr_format=2)
    run = start(tmp_path / "reads", 2, store=str(store))
    assert run.returncode == 1
    assert run.stderr.count("InputError: the truth is known in fewer than two blocks") == 2


def test_a_batch_must_have_a_window_for_each_process(tmp_path):
    run = start(tmp_path / "out.safetensors", 2, batch_size=1)
    assert run.returncode == 1
    assert "give batch_size=2 at least" in run.stderr


def test_processes_with_other_settings_are_refused(tmp_path):
    run = start(tmp_path / "out.safetensors", 2, seed_of_rank=True)
    assert run.returncode == 1
    assert "do not train on the same data" in run.stderr


def test_alone_there_is_nothing_to_wait_for():
    world = join_world("cpu")
    assert world == World(0, 1, "cpu")
    assert world.gather(torch.ones(3)).shape == (1, 3)
