"""Trainings that are killed go on, and end as if nothing had been."""

from __future__ import annotations

import errno
import json
import signal
import warnings
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from conftest import small_world
from land_training import QUICK, WOOD, train
from training_runs import start
from xai4land import load_emulator
from xai4land.cli import cli
from xai4land.errors import EmulatorError, EmulatorFileError, InputError, StoreError
from xai4land.training import checkpoint as module
from xai4land.training.trainer import Trainer
from xai4land_land import fit

WORLD = small_world(times=1)


def same_weights(one, other) -> bool:
    return all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())


def test_a_run_that_was_killed_in_an_epoch_ends_with_the_same_weights(tmp_path):
    how = {
        "epochs": 2,
        "steps": 4,
        "parameters": {"widths": [8, 16], "norm": "batch", "dropout": 0.3},
        "ema": 0.9,
        "schedule": "cosine",
        "accumulate": 2,
    }
    assert start(tmp_path / "whole.safetensors", **how).returncode == 0
    state = {"checkpoint": str(tmp_path / "run.safetensors"), "minutes": 0}
    killed = start(tmp_path / "resumed.safetensors", **how, **state, kill_after=2)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "resumed.safetensors").exists()
    run = start(tmp_path / "resumed.safetensors", **how, **state)
    assert run.returncode == 0, run.stderr
    whole, resumed = (tmp_path / f"{n}.safetensors" for n in ("whole", "resumed"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_what_was_done_is_not_done_again(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    whole = train(WORLD, checkpoint=path)
    monkeypatch.setattr(Trainer, "_take_step", None)  # no step is left
    assert same_weights(whole, train(WORLD, checkpoint=path))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    train(WORLD, checkpoint=path)
    with pytest.raises(InputError, match=r"learning_rate=0.002 there, 0.1 here.*or delete it"):
        train(WORLD, checkpoint=path, learning_rate=0.1)
    with pytest.raises(InputError, match="its data are different"):
        train(small_world(seed=1, times=1), checkpoint=path)
    train(WORLD, checkpoint=path, workers=1)  # which changes nothing
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(EmulatorFileError, match="damaged"):
        train(WORLD, checkpoint=path)


def test_checkpoints_have_a_place(tmp_path):
    for path in (tmp_path / "run.pt", tmp_path / "none" / "run.safetensors"):
        with pytest.raises(InputError, match="a file that ends in .safetensors, in a folder"):
            train(WORLD, checkpoint=path)


def test_a_full_disk_leaves_the_checkpoint_before_and_the_training_goes_on(tmp_path, monkeypatch):
    path, held = tmp_path / "run.safetensors", []
    write = module.write_file

    def fill(file: Path, content: bytes) -> None:
        if held:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, content)
        held.append(file.read_bytes())

    plain = train(WORLD)
    monkeypatch.setattr(module, "write_file", fill)
    with pytest.warns(UserWarning, match=r"No space left.*MB free there.*training goes on"):
        emulator = train(WORLD, checkpoint=path)
    assert same_weights(plain, emulator)
    assert [path.read_bytes()] == held
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]
    other = tmp_path / "other.safetensors"
    with pytest.raises(StoreError, match="No space left"):  # of which there is none before
        train(WORLD, checkpoint=other)
    monkeypatch.undo()
    assert same_weights(plain, train(WORLD, checkpoint=path))


def test_a_loss_that_is_not_finite_names_its_windows_and_keeps_the_best_weights(monkeypatch):
    best = train(WORLD, epochs=1, learning_rate=1e-9)
    real = torch.nn.utils.clip_grad_norm_
    calls = []

    def spoil(parameters, most):
        calls.append(1)
        norm = real(parameters, most)
        return norm * (float("nan") if len(calls) == 5 else 1)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spoil)
    with pytest.warns(UserWarning, match=r"step 2 of epoch 2.*\(time, row, column\) \(0, \d+, "):
        kept = train(WORLD, learning_rate=1e-9)
    assert all(torch.isfinite(value).all() for value in kept.weights.values())
    assert kept.card.training["validation_loss"] == best.card.training["validation_loss"]
    calls[:] = [1] * 4
    with pytest.raises(EmulatorError, match="lower learning_rate="):
        train(WORLD)


def test_neither_checkpoint_nor_log_changes_an_emulator(tmp_path):
    plain = train(WORLD)
    log = tmp_path / "log.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noted = train(WORLD, checkpoint=tmp_path / "run.safetensors", minutes=0, log=log)
    assert plain.sha256 == noted.sha256
    header, *lines = log.read_text().splitlines()
    assert header.startswith("epoch,loss,validation_loss,best_loss")
    values = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert [float(v["validation_loss"]) for v in values] == noted.card.training["validation_loss"]
    assert all(float(v["seconds"]) > 0 and float(v["gradient_norm"]) > 0 for v in values)


def test_parts_of_a_batch_give_the_gradients_of_the_whole():
    how = {"precision": "float32", "learning_rate": 1e-2, "batch_size": 5}
    one, other = train(WORLD, **how), train(WORLD, **how, accumulate=2)
    losses = (e.card.training["validation_loss"] for e in (one, other))
    assert next(losses) == pytest.approx(next(losses), abs=2e-5)
    with pytest.raises(InputError, match="batch_size=6 at least"):
        train(WORLD, batch_size=5, accumulate=6)


def test_a_dry_run_takes_two_steps_and_says_what_a_training_takes(tmp_path, capsys):
    state = tmp_path / "run.safetensors"
    train(WORLD, epochs=30, steps=100, dry_run=True, checkpoint=state)
    told = capsys.readouterr().out
    assert "30 epochs of 100 steps" in told
    assert "MB in each process" in told
    assert not state.exists()


def test_the_card_keeps_a_run_that_can_be_repeated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fine = [name for name in WORLD.variables if "lat_fine" in WORLD[name].dims]
    WORLD.drop_vars(fine).to_netcdf("states.nc")
    WORLD[["height", "zone"]].to_netcdf("static.nc")
    WORLD[["truth"]].to_netcdf("truth.nc")
    given = "states.nc truth.nc one.safetensors --static static.nc --window 24 --epochs 1 --steps 2"
    more = ["--parameters", '{"widths": [8, 16]}', "--quiet"]
    legend = "xai4land_land.fitting.find_legend"
    monkeypatch.setattr(legend, lambda reference, chosen: WOOD)
    main = cli.get_command(click.Context(cli), "fit")
    assert main is not None
    run = CliRunner().invoke(main, [*given.split(), *more], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    one = load_emulator("one.safetensors")
    Path("run.json").write_text(json.dumps(one.card.training["run"]))
    again = ["--settings", "run.json", "--quiet"]
    assert CliRunner().invoke(main, again, catch_exceptions=False).exit_code == 0
    assert load_emulator("one.safetensors").sha256 == one.sha256


def test_a_file_of_settings_lists_more_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = small_world(times=1)
    for number in (1, 2):
        world.drop_vars(["truth", "height", "zone"]).to_netcdf(f"states{number}.nc")
        world[["height", "zone"]].to_netcdf(f"static{number}.nc")
        world[["truth"]].to_netcdf(f"truth{number}.nc")
    run = {
        "states": "states1.nc",
        "truth": "truth1.nc",
        "static": "static1.nc",
        "out": "mine.safetensors",
        "also": [["states2.nc", "truth2.nc", "static2.nc"]],
    }
    Path("run.json").write_text(json.dumps(run))
    monkeypatch.setattr("xai4land_land.fit", lambda *data, **how: train_here(*data, **how))

    def train_here(data, truth, **how):
        return fit(data, truth, **{**QUICK, **how, "progress": False})

    call = ["fit", "--settings", "run.json", "--quiet"]
    CliRunner().invoke(cli, call, catch_exceptions=False)
    kept = load_emulator("mine.safetensors").card.training
    assert kept["run"] == run
    assert "," in kept["blocks"]  # a side for each of two regions
    single = CliRunner().invoke(cli, [*call, "--also", "states2.nc"])
    assert "also[0] is Dataset, expected a dataset of states, the truth" in str(single.exception)
