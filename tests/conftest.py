"""Small worlds and emulators with known results."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import settings

import xai4land
from xai4land.emulator import Architecture, Card, Emulator, Input, OutputClass, Resolution, Window
from xai4land.emulator.build import build

SHARED = Path(__file__).parents[2] / "shared" / "data"

# No test is one of time, least of all on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Use a temporary cache folder, not the user's."""
    # Workers inherit it from the first process.
    if not hasattr(config, "workerinput"):
        os.environ["XAI4LAND_CACHE"] = tempfile.mkdtemp(prefix="xai4land-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["XAI4LAND_CACHE"], ignore_errors=True)


def coordinate(name: str, values: np.ndarray) -> xr.DataArray:
    kind, units = ("latitude", "degrees_north") if "lat" in name else ("longitude", "degrees_east")
    attrs = {"standard_name": kind, "units": units}
    return xr.DataArray(values, dims=name, attrs=attrs, name=name)


def small_world(seed: int = 0, times: int = 2, ratio: int = 4) -> xr.Dataset:
    """Make states at 10 degrees on 18 x 36 cells; height, zones and truth on a finer grid."""
    rng = np.random.default_rng(seed)
    rows, columns = 18 * ratio, 36 * ratio
    fine = rng.normal(size=(times, rows, columns)) + 2 * np.sin(np.linspace(0, 6 * np.pi, columns))
    truth = np.digitize(fine, [-1.0, 1.0]).astype(np.uint8)
    block = truth.reshape(times, 18, ratio, 36, ratio)
    states = {
        name: (block == k).mean((2, 4)).astype(np.float32)
        for k, name in enumerate(("wood", "field", "town"))
    }
    step = 10 / ratio
    coords = {
        "lat": coordinate("lat", 85.0 - 10 * np.arange(18)),
        "lon": coordinate("lon", -175.0 + 10 * np.arange(36)),
        "lat_fine": coordinate("lat_fine", 90 - step / 2 - step * np.arange(rows)),
        "lon_fine": coordinate("lon_fine", -180 + step / 2 + step * np.arange(columns)),
        "time": xr.DataArray(
            np.array([f"{2000 + t}-07-01" for t in range(times)], "M8[ns]"),
            dims="time",
            attrs={"standard_name": "time"},
        ),
    }
    fraction = {"standard_name": "area_fraction", "units": "1"}
    data = xr.Dataset({k: (("time", "lat", "lon"), v, fraction) for k, v in states.items()}, coords)
    dims = ("lat_fine", "lon_fine")
    height = (fine.mean(0) * 100).astype(np.float32)
    data["height"] = (dims, height, {"units": "m", "standard_name": "surface_altitude"})
    zone = rng.integers(1, 4, size=(rows, columns)).astype(np.uint8)
    data["zone"] = (dims, zone, {"long_name": "zone"})
    data["truth"] = (
        ("time", *dims),
        truth,
        {"flag_values": np.arange(3, dtype=np.uint8), "flag_meanings": "wood field town"},
    )
    return data


def small_card(ratio: int = 4, **changes: Any) -> Card:
    states = [
        Input(name=n, role="dynamic", valid_range=(0, 1), offset=0.5, scale=0.5)
        for n in ("wood", "field", "town")
    ]
    card = Card(
        name="small",
        architecture=Architecture(name="unet", parameters={"widths": [8, 16]}),
        inputs=(
            *states,
            Input(name="height", role="static", units="m", scale=100.0, fill=0.0),
            Input(name="zone", role="categorical", codes=(1, 2, 3)),
        ),
        classes=tuple(
            OutputClass(value=k, name=n, states=(n,))
            for k, n in enumerate(("wood", "field", "town"))
        ),
        resolution=Resolution(target=10 / ratio, states=10),
        window=Window(size=24, overlap=6),
    )
    return card.with_(**changes)


def random_emulator(card: Card, seed: int = 0) -> Emulator:
    """Make an emulator with random weights, including the last layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(card)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return Emulator(card, network.state_dict())


def plain_emulator(card: Card) -> Emulator:
    """Make an emulator whose network gives zero, so that only the fractions decide."""
    network = build(card)
    return Emulator(card, {k: torch.zeros_like(v) for k, v in network.state_dict().items()})


@pytest.fixture(scope="session")
def world() -> xr.Dataset:
    return small_world()


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    return random_emulator(small_card())


@pytest.fixture(scope="session")
def planet() -> xr.Dataset:
    return xai4land.sample("land", years=[2000, 2001])


@pytest.fixture(scope="session")
def history() -> xr.Dataset:
    """The sample's land use over some years, with 8 x 8 pixels in a coarse cell."""
    return xai4land.sample("land_history", years=range(1990, 1997))


@pytest.fixture(scope="session")
def rule(history: xr.Dataset) -> Emulator:
    """A rule of change in place of a trained emulator: it runs through the same code."""
    from xai4land_land import change_reference

    return change_reference("density", history, history.land_cover)


@pytest.fixture(scope="session")
def shared_land() -> Path:
    folder = SHARED / "land"
    if not folder.is_dir():
        pytest.skip("the real data are not beside this checkout (../shared/data/land)")
    return folder


@pytest.fixture(scope="session")
def seasonal_emulator():
    """Train a small seasonal emulator on red noise, for two leads."""
    from seasonal_worlds import monthly, red_noise
    from xai4land_seasonal import Settings, fit

    return fit(
        monthly(red_noise(50, 6, 12)),
        leads=(1, 3),
        validation=10,
        progress=False,
        parameters={"width": 16, "heads": 2, "depth": 1, "latent": 4},
        settings=Settings(epochs=2),
    )


def globe(rows: int, columns: int, west: float = -180.0, values=None, seed: int = 0):
    lat = 90 - (np.arange(rows) + 0.5) * 180 / rows
    lon = west + (np.arange(columns) + 0.5) * 360 / columns
    if values is None:
        values = np.random.default_rng(seed).normal(size=(rows, columns))
    coords = {"lat": coordinate("lat", lat), "lon": coordinate("lon", lon)}
    return xr.DataArray(values, coords, ("lat", "lon"))


@pytest.fixture(scope="module")
def server():
    """A server of S3 on this machine."""
    from object_stores import start_s3

    with start_s3() as server:
        yield server
