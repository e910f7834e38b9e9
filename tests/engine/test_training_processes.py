"""Several processes train as one does."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

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
