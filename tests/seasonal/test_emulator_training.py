"""Seasonal networks are trained as all others: killed and resumed, by several processes, logged."""

from __future__ import annotations

import csv
import json

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from seasonal_training import TINY
from training_runs import start
from xai4land import load_emulator
from xai4land.cli import cli
from xai4land.errors import InputError
from xai4land.training.distributed import World
from xai4land.training.loop import seeded
from xai4land.training.trainer import Trainer
from xai4land_seasonal import Settings
from xai4land_seasonal.emulator.cases import Cases
from xai4land_seasonal.emulator.conditions import Condition
from xai4land_seasonal.emulator.network import Ensemble
from xai4land_seasonal.emulator.training import FREE_NATS
from xai4land_seasonal.emulator.training import train as train_networks

gloo = pytest.mark.skipif(
    not torch.distributed.is_gloo_available(), reason="this torch has no gloo"
)


def random_cases(count: int, seed: int = 0) -> Cases:
    generator = torch.Generator().manual_seed(seed)
    zeros = torch.zeros(count, dtype=torch.long)
    return Cases(
        torch.randn(count, 5, 6, 12, generator=generator),
        torch.randn(count, 1, 6, 12, generator=generator),
        Condition(torch.arange(count) % 12, zeros, zeros),
        torch.rand(count, generator=generator),
    )


def train_two_networks(seed_of_cases: int = 0, **how) -> dict[str, torch.Tensor]:
    """Train two networks of two epochs of four steps each, and return their weights."""
    settings = Settings(epochs=2, batch_size=60, ema=0.9, accumulate=2, **how)
    with seeded(0, "cpu"):
        sizes = {"rows": 6, "columns": 12, "predictors": 1, "targets": 1, "leads": 1, "sources": 1}
        ensemble = Ensemble(2, **sizes, **TINY, dropout=0.3)
        learned, held = random_cases(240, seed_of_cases), random_cases(24, 1)
        train_networks(ensemble, learned, held, np.ones(72), settings, World(), progress=False)
    return ensemble.state_dict()


def read(path, name) -> list[float]:
    with path.open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_a_training_goes_on_in_the_network_and_epoch_where_it_ended(tmp_path, monkeypatch):
    whole = train_two_networks()
    path, take, done = tmp_path / "run.safetensors", Trainer._take_step, []

    def die(self, parts):
        done.append(1)
        if len(done) == 11:  # in the first epoch of the second network
            raise RuntimeError("killed")
        return take(self, parts)

    monkeypatch.setattr(Trainer, "_take_step", die)
    with pytest.raises(RuntimeError, match="killed"):
        train_two_networks(checkpoint=path, minutes=0)
    resumed = train_two_networks(checkpoint=path, minutes=0)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert len(done) == 2 * 2 * 4 + 1  # no step was taken twice
    second = tmp_path / "run-network-2.safetensors"
    assert {*tmp_path.iterdir()} == {path, second}
    with pytest.raises(InputError, match=r"beta=1.0 there, 0.5 here"):
        train_two_networks(checkpoint=path, beta=0.5)
    with pytest.raises(InputError, match="its data are different"):
        train_two_networks(seed_of_cases=2, checkpoint=path)


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
