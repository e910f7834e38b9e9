"""Training from Zarr: samples a second of the loader, of the step, and of both together.

    OMP_NUM_THREADS=1 python benchmarks/loader.py [--small] [--folder FOLDER] [--repeats 2]

On the store that ``hilda_like.py`` writes. Contestants take turns in one process. *step* trains on
samples that are in memory; *training* is the same trainer on the store; *loader* makes the same
samples and does nothing with them, and *long epoch* makes eight times as many, so that more of them
share a chunk. It takes four minutes on two quiet cores.

Beside them are loaders that others would write, which cut as many patches of the same pixels from
the same store and bring the states to them: *xarray* selects from a lazy dataset, *xbatcher* takes
the patches of its generator in a random order, *torch* is a Dataset on bare Zarr arrays. They make
no features, and know of no coarse cells.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
import zarr
from hilda_like import RATIO, SMALL, STATES, HildaLike, write

import xai4land
from xai4land.commands.tables import format_table
from xai4land.training import fit as fitting
from xai4land.training.loop import optimise
from xai4land.training.maps import MapObjective
from xai4land_land import fit as land_fit

WINDOW, BATCH = 160, 8
LONGER = 8
"""Times the samples of an epoch."""
NAMES = [name for parts in STATES.values() for name in parts]


class Counter:
    """Bytes that are read of stores on disk."""

    def __init__(self) -> None:
        self.bytes = 0
        get = zarr.storage.LocalStore.get

        async def count(store: Any, key: str, *given: Any, **named: Any) -> Any:
            found = await get(store, key, *given, **named)
            self.bytes += 0 if found is None else len(found)
            return found

        zarr.storage.LocalStore.get = count  # type: ignore[method-assign]

    def take(self) -> int:
        """Return the bytes since the last time."""
        found, self.bytes = self.bytes, 0
        return found


def open_store(folder: Path) -> tuple[xr.Dataset, xr.Dataset]:
    maps, states = (xr.open_zarr(folder / f"{name}.zarr") for name in ("maps", "states"))
    return maps, states


def prepare(folder: Path, steps: int, cache: str, widths: list[int]) -> tuple[Any, ...]:
    """Return what :func:`xai4land.training.maps.train` would be given, before the first step."""
    maps, states = open_store(folder)
    given: list[Any] = []
    train, fitting.train = fitting.train, lambda *parts, **how: given.extend(parts)  # type: ignore
    try:
        land_fit(
            states,
            maps.land_cover,
            static=maps[["elevation"]],
            legend="hilda",
            window=WINDOW,
            parameters={"widths": widths},
            settings={"steps": steps, "batch_size": BATCH, "epochs": 1, "cache": cache},
            progress=False,
        )
    finally:
        fitting.train = train
    return tuple(given)


class Epoch(MapObjective):
    """The objective without a look at validation windows."""

    kept: list[Any] | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        if self.kept is None:
            yield from super().batches(epoch, first)
        else:
            yield from itertools.islice(itertools.cycle(self.kept), self.settings.steps)

    def validate(self, network: torch.nn.Module) -> None:
        return None


def make_objective(given: tuple[Any, ...], steps: int) -> Epoch:
    """Return an objective with an empty cache."""
    _, _, learned, held, settings = given
    few = replace(settings, steps=steps)
    objective = Epoch.__new__(Epoch)
    held_few = _Few(held)
    MapObjective.__init__(objective, learned, held_few, few, "cpu", True)  # type: ignore[arg-type]
    cache = learned.parts[0].cache
    cache.__init__(*cache.limits.values())
    return objective


class _Few:
    """Validation windows: one, for a benchmark of training."""

    def __init__(self, regions: Any) -> None:
        self.regions = regions

    def cover(self, limit: int, rng: np.random.Generator) -> list[Any]:
        return self.regions.cover(1, rng)  # type: ignore[no-any-return]

    def at(self, corner: Any) -> Any:
        return self.regions.at(corner)


def make_samples(given: tuple[Any, ...], steps: int) -> None:
    for _ in make_objective(given, steps).batches(0):
        pass


def run(objective: Epoch, network: torch.nn.Module, steps: int) -> None:
    optimise(network, objective, epochs=1, steps=steps, learning_rate=1e-4, weight_decay=0.0)


def draw_corners(folder: Path, count: int, seed: int) -> list[tuple[int, int, int]]:
    maps, _ = open_store(folder)
    years, height, width = maps.land_cover.shape
    rng = np.random.default_rng(seed)
    high = [years, height - WINDOW, width - WINDOW]
    return [tuple(rng.integers(0, high).tolist()) for _ in range(count)]


def with_xarray(folder: Path, count: int, seed: int) -> Iterator[Any]:
    """Select patches from lazy datasets."""
    maps, states = open_store(folder)
    for time_, row, column in draw_corners(folder, count, seed):
        patch = maps.isel(
            time=time_, lat=slice(row, row + WINDOW), lon=slice(column, column + WINDOW)
        ).load()
        coarse = states.isel(time=time_).sel(
            lat=xr.DataArray(patch.lat.values, dims="lat"),
            lon=xr.DataArray(patch.lon.values, dims="lon"),
            method="nearest",
        )
        yield patch, coarse.load()


def with_xbatcher(folder: Path, count: int, seed: int) -> Iterator[Any]:
    """Take the patches of xbatcher's generator in a random order."""
    import xbatcher

    maps, states = open_store(folder)
    generator = xbatcher.BatchGenerator(
        maps, {"time": 1, "lat": WINDOW, "lon": WINDOW}, preload_batch=False
    )
    numbers = np.random.default_rng(seed).permutation(len(generator))[:count]
    for number in numbers.tolist():
        patch = generator[number].load()
        coarse = states.sel(time=patch.time).sel(
            lat=xr.DataArray(patch.lat.values, dims="lat"),
            lon=xr.DataArray(patch.lon.values, dims="lon"),
            method="nearest",
        )
        yield patch, coarse.load()


class Patches(torch.utils.data.Dataset[Any]):
    """Patches of bare Zarr arrays."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        maps, states = (zarr.open_group(folder / f"{n}.zarr", mode="r") for n in ("maps", "states"))
        self.truth, self.height = maps["land_cover"], maps["elevation"]
        self.states = [states[name] for name in NAMES]
        self.corners = draw_corners(folder, count, seed)

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        time_, row, column = self.corners[number]
        box = slice(row, row + WINDOW), slice(column, column + WINDOW)
        down, across = (np.arange(part.start, part.stop) // RATIO for part in box)
        cells = slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1)
        coarse = np.stack([state[time_, *cells] for state in self.states])
        fine = coarse[:, down - down[0]][:, :, across - across[0]]
        x = np.concatenate([fine, self.height[box][None].astype(np.float32)])
        return torch.from_numpy(x), torch.from_numpy(self.truth[time_, *box])


def with_torch(folder: Path, count: int, seed: int) -> Iterator[Any]:
    """Load batches of a plain Dataset."""
    loader = torch.utils.data.DataLoader(Patches(folder, count, seed), batch_size=BATCH)
    for x, _ in loader:
        yield from x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a small store and network; a test")
    parser.add_argument("--folder", type=Path, help="of the store, which is written if need be")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--cache", help="256MiB, or 1MiB if small")
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        size = SMALL if options.small else HildaLike()
        write(folder, size)
        with xai4land.set_options(cache=Path(temporary) / "cache"):
            measure(folder, options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    small = options.small
    steps = options.steps or (5 if small else 15)
    cache = options.cache or ("1MiB" if small else "256MiB")
    widths = [8, 16] if small else [32, 48, 64, 96]
    counter, count = Counter(), steps * BATCH
    began = time.perf_counter()
    given = prepare(folder, steps, cache, widths)
    first, read = time.perf_counter() - began, counter.take()
    print(f"before the first step: {first:.1f} s, {read / 1e6:.0f} MB read")
    began = time.perf_counter()
    given = prepare(folder, steps, cache, widths)
    again, read = time.perf_counter() - began, counter.take()
    print(f"the same again:        {again:.1f} s, {read / 1e6:.0f} MB read\n")
    from xai4land.emulator.build import build

    torch.manual_seed(0)
    network = build(given[1]).to(memory_format=torch.channels_last)
    parameters = sum(p.numel() for p in network.parameters())
    resident = make_objective(given, steps)
    resident.kept = list(itertools.islice(make_objective(given, 4).batches(0), 4))
    run(resident, network, 2)  # warms up
    jobs: dict[str, Callable[[int], Any]] = {
        "step": lambda seed: run(resident, network, steps),
        "training": lambda seed: run(make_objective(given, steps), network, steps),
        "loader": lambda seed: make_samples(given, steps),
        "loader, long epoch": lambda seed: make_samples(given, LONGER * steps),
        "xarray": lambda seed: list(with_xarray(folder, count, seed)),
        "xbatcher": lambda seed: list(with_xbatcher(folder, count, seed)),
        "torch": lambda seed: list(with_torch(folder, count, seed)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    busy: dict[str, list[float]] = {name: [] for name in jobs}
    reads: dict[str, list[int]] = {name: [] for name in jobs}
    for turn in range(options.repeats):
        for name, job in jobs.items():
            counter.take()
            began, before = time.perf_counter(), time.process_time()
            job(turn)
            busy[name].append(time.process_time() - before)
            seconds[name].append(time.perf_counter() - began)
            reads[name].append(counter.take())
            print(f"  {turn + 1} {name}: {seconds[name][-1]:.2f} s", file=sys.stderr, flush=True)
    counts = {name: count * (LONGER if "long" in name else 1) for name in jobs}
    medians = {name: statistics.median(values) / counts[name] for name, values in seconds.items()}
    used = {name: statistics.median(values) / counts[name] for name, values in busy.items()}
    rows = [
        {
            "": name,
            "samples/s": 1 / taken,
            "ms a sample": 1e3 * taken,
            "processor": 1e3 * used[name],
            "kB read a sample": statistics.median(reads[name]) / counts[name] / 1e3,
            "of step": medians["step"] / taken,
            "by processor": used["step"] / used[name],
            "of xarray": medians["xarray"] / taken,
        }
        for name, taken in medians.items()
    ]
    print(f"{count} samples of {WINDOW} pixels, U-Net of {parameters:,} parameters, cache {cache}")
    print(format_table(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
