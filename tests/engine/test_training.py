"""Training: from data larger than memory, in order, whatever the threads."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import small_world
from land_training import train
from xai4land.heads.loss import Loss
from xai4land.training.loop import optimise
from xai4land.training.prefetch import prefetch

ROOMS = Path(__file__).parents[2] / "xai4land"


def test_data_in_chunks_train_the_same_emulator_as_data_in_memory():
    world = small_world(times=2)
    chunks = {"time": 1, "lat": 5, "lon": 7, "lat_fine": 20, "lon_fine": 33}
    one, other = train(world), train(world.chunk(chunks))
    for spec, same in zip(one.card.inputs, other.card.inputs, strict=True):
        assert spec.offset == pytest.approx(same.offset, rel=1e-5)
        assert spec.scale == pytest.approx(same.scale, rel=1e-5)
    shares = ([c.share for c in e.card.outputs.classes] for e in (one, other))
    assert next(shares) == next(shares)
    losses = (e.card.training["validation_loss"] for e in (one, other))
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_the_number_of_threads_changes_nothing():
    world = small_world(times=1)
    one, other = (train(world, workers=n) for n in (1, 3))
    for name, weights in one.weights.items():
        assert torch.equal(weights, other.weights[name]), name


def test_batches_are_made_while_the_device_computes():
    """The next batch is there when the first one is worked on, made by another thread."""
    made, threads = [], set()

    def make(key):
        made.append(key)
        threads.add(threading.get_ident())
        return key

    batches = prefetch(make, ([k] for k in range(10)), workers=2)
    assert next(batches) == [0]
    deadline = time.monotonic() + 10
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) >= 3
    assert threading.get_ident() not in threads
    assert [k for (k,) in batches] == list(range(1, 10))


def test_a_batch_that_fails_ends_the_training():
    def make(key):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(prefetch(make, [[1], [2]], workers=2))


class Noise:
    """A loss that falls, then rises: the best epoch is the second."""

    def __init__(self, validation):
        self.validation = iter(validation)

    def batches(self, epoch, first=0):
        return [[torch.full((1, 1), float(epoch))]]

    def loss(self, network, batch):
        return Loss((network(batch) - batch).square().sum(), torch.tensor(1.0))

    def validate(self, network):
        return next(self.validation)


@pytest.mark.parametrize(("validation", "best"), [([3.0, 1.0, 2.0], 1), ([None] * 3, 2)])
def test_the_best_weights_are_kept_and_the_last_where_none_are_held_out(validation, best):
    network = torch.nn.Linear(1, 1)
    seen = []
    run = optimise(
        network,
        Noise(validation),
        epochs=3,
        steps=1,
        learning_rate=0.1,
        weight_decay=0.0,
        on_epoch=lambda _: seen.append(network.weight.item()),
    )
    assert run.weights["weight"].item() == seen[best]
    assert network.weight.item() == seen[best]


MEMORY = """
import sys, threading, time
import dask.array as da, numpy as np, xarray as xr
import xai4land
from xai4land_land import Legend
from xai4land_land.legends import LandClass

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

size = int(sys.argv[1])
ratio, chunk = 8, 512
coarse = size // ratio

def coordinate(name, n, span):
    step = span / n
    kind, units = ("latitude", "degrees_north") if name == "lat" else ("longitude", "degrees_east")
    centres = step * (np.arange(n) + 0.5)
    values = span / 2 - centres if name == "lat" else centres
    return name, values, {"standard_name": kind, "units": units}

def grid(n):
    span = 0.01 * size
    return [coordinate("lat", n, span), coordinate("lon", n, span)]

def random(n, piece, scale=1.0):
    make = lambda block_info=None: np.random.default_rng(
        list(block_info[None]["chunk-location"])).random(
        block_info[None]["chunk-shape"], np.float32) * scale
    chunks = ((piece,) * (n // piece),) * 2
    return da.map_blocks(make, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))

share = random(coarse, chunk // ratio)
one = {"units": "1", "standard_name": "area_fraction"}
states = xr.Dataset(
    {"a": (("lat", "lon"), share, one), "b": (("lat", "lon"), 1 - share, one)},
    coords={n: (n, v, a) for n, v, a in grid(coarse)})
height = xr.Dataset({"height": (("lat", "lon"), random(size, chunk, 100.0), {"units": "m"})},
    coords={n: (n, v, a) for n, v, a in grid(size)})
truth = xr.DataArray((random(size, chunk) > 0.5).astype("u1"), dims=("lat", "lon"),
    coords={n: (n, v, a) for n, v, a in grid(size)},
    attrs={"flag_values": np.array([0, 1], "u1"), "flag_meanings": "a b"})
legend = Legend("two", (LandClass(0, "a", "#000000"), LandClass(1, "b", "#ffffff")),
                ({"a": ("a",), "b": ("b",)},))

def fit():
    states.ai4land.fit(truth, static=height, legend=legend, window=64, epochs=1, steps=4,
        batch_size=2, parameters={"widths": [8, 16]}, progress=False,
        cache="8MiB")  # or the cache alone would fill up with the data

if size > 512:
    peak = [0]
    running = True
    def watch():
        while running:
            peak[0] = max(peak[0], resident())
            time.sleep(0.005)
    import torch
    thread = threading.Thread(target=watch)
    thread.start()
    fit()
    running = False
    thread.join()
    print(peak[0] / 2**20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_flat_as_the_data_grow_sixteen_times():
    """From 4 to 67 million pixels of height and truth, which would take 20 and 335 MB."""
    peaks = []
    for size in (2048, 8192):
        run = subprocess.run(
            [sys.executable, "-c", MEMORY, str(size)],
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        peaks.append(float(run.stdout))
    assert peaks[1] < peaks[0] + 100, peaks


@pytest.mark.parametrize("room", ["inference", "windows", "training"])
def test_what_comes_out_of_an_emulator_is_the_business_of_heads(room):
    """These rooms serve emulators of any outputs: they name none of them."""
    words = r"(?i)\b(class(es)? fractions?|classes|land_cover|legend|ClassHead|NumberHead)\b"
    for path in sorted((ROOMS / room).glob("*.py")):
        text = path.read_text()
        assert not re.search(words, text), (path, re.search(words, text))
        assert not re.search(r"import .*heads\.(classes|numbers|choice|conserve)", text), path
        assert not re.search(r"from xai4land\.heads\.(classes|numbers|choice|conserve)", text), path
