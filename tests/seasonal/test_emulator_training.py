"""Seasonal networks are trained as all others: killed and resumed, by several processes, logged."""

from __future__ import annotations

import csv
import json

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from seasonal_training import train
from training_runs import start
from xai4land import load_emulator
from xai4land.cli import cli
from xai4land.errors import InputError
from xai4land.training.trainer import Trainer
from xai4land_seasonal.emulator.training import FREE_NATS

gloo = pytest.mark.skipif(
    not torch.distributed.is_gloo_available(), reason="this torch has no gloo"
)


def same_weights(one, other) -> bool:
    return all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())


def read(path, name) -> list[float]:
    with path.open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_a_training_goes_on_in_the_network_and_epoch_where_it_ended(tmp_path, monkeypatch):
    """Of two networks of two epochs of four steps each; it dies in the second one's first epoch."""
    parameters = {"networks": 2, "dropout": 0.3}
    how = {"parameters": parameters, "ema": 0.9, "accumulate": 2, "batch_size": 60}
    whole = train(**how)
    path, take, done = tmp_path / "run.safetensors", Trainer._take_step, []

    def die(self, parts):
        done.append(1)
        if len(done) == 11:
            raise RuntimeError("killed")
        return take(self, parts)

    monkeypatch.setattr(Trainer, "_take_step", die)
    with pytest.raises(RuntimeError, match="killed"):
        train(**how, checkpoint=path, minutes=0)
    assert same_weights(whole, train(**how, checkpoint=path, minutes=0))
    assert len(done) == 2 * 2 * 4 + 1  # no step was taken twice
    assert {file.name for file in tmp_path.iterdir()} == {
        "run.safetensors",
        "run-network-2.safetensors",
    }
    with pytest.raises(InputError, match="beta=1.0 there, 0.5 here"):
        train(**how, checkpoint=path, beta=0.5)
    with pytest.raises(InputError, match="its data are different"):
        train(seed_of_data=1, **how, checkpoint=path)


@gloo
def test_two_processes_learn_as_one(tmp_path):
    """Without dropout, and with next to no weight on the latent variables that each one draws."""
    how = {
        "seasons": True,
        "batch_size": 101,
        "hybrid": 1e-9,
        "parameters": {"dropout": 0.0},
    }
    for number in (1, 2):
        log = tmp_path / f"{number}.csv"
        run = start(tmp_path / f"{number}.safetensors", number, **how, log=str(log))
        assert run.returncode == 0, run.stderr
    for name in ("loss", "validation_loss", "gradient_norm"):
        one, two = (read(tmp_path / f"{number}.csv", name) for number in (1, 2))
        np.testing.assert_allclose(two, one, rtol=2e-4, err_msg=name)


def test_the_command_trains_from_a_file_and_says_what_a_training_takes(tmp_path, monkeypatch):
    from seasonal_worlds import monthly, red_noise

    monkeypatch.chdir(tmp_path)
    monthly(red_noise(50, 6, 12)).to_netcdf("data.nc")
    run = {
        "data": "data.nc",
        "out": "mine.safetensors",
        "validation": 10,
        "epochs": 1,
        "schedule": "cosine",
        "log": "log.csv",
        "parameters": {"width": 16, "heads": 2},
    }
    (tmp_path / "run.json").write_text(json.dumps(run))
    call = ["fit-seasonal", "--settings", "run.json", "--quiet"]
    dry = CliRunner().invoke(cli, [*call, "--dry-run"], catch_exceptions=False)
    assert "1 epochs of 4 steps" in dry.output
    assert not (tmp_path / "mine.safetensors").exists()
    assert not (tmp_path / "log.csv").exists()
    CliRunner().invoke(cli, call, catch_exceptions=False)
    assert len(read(tmp_path / "log.csv", "loss")) == 1
    kept = load_emulator(tmp_path / "mine.safetensors").card.training
    assert kept["run"] == run
    assert kept["settings"]["schedule"] == "cosine"
    assert click.unstyle(dry.output).startswith("training of ")


def test_latent_patterns_are_counted_over_all_cases(seasonal_emulator):
    training = seasonal_emulator.card.training
    (active,), (nats,) = training["active_latent_dimensions"], training["divergence_nats"]
    assert 0 <= active <= 4
    assert nats >= active * FREE_NATS
