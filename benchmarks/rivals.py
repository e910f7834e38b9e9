"""Alternatives for users: MONAI's sliding windows, and dask's map_overlap."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import dask.array as da
import numpy as np
import torch
import xarray as xr
from common import Cost, measure
from emulators import SHARES, make_network, warm_up
from torch.nn import functional as F
from world import STATES, STATICS, World

from xai4land.emulator import Card

__all__ = ["OVERLAP_DEPTH", "run_map_overlap", "run_monai"]

OVERLAP_DEPTH = 32
MIN_FRACTION = 1e-3


def run_monai(folder: Path, world: World, card: Card, dtype: torch.dtype = torch.float32) -> Cost:
    """Measure sliding windows over features in memory, the best case for MONAI."""
    slide = import_module("monai.inferers").sliding_window_inference
    network = make_network(card).to(dtype)
    x = features(torch.from_numpy(_stack(folder, world).compute()))[None]
    warm_up(network, card)

    def predict(window: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = network(window.to(dtype), _no_codes(window))
        return result.float()

    def run() -> None:
        with torch.inference_mode():
            scores = slide(x, card.window.size, 4, predict, overlap=0.25, mode="gaussian")
        chosen = scores[0].argmax(0).to(torch.uint8).numpy()
        _write(da.from_array(chosen, world.chunk), folder / "monai.zarr")

    return _clean(folder / "monai.zarr", lambda: measure(run))


def run_map_overlap(folder: Path, world: World, card: Card, side: int) -> Cost:
    """Measure the simplest code from Zarr to Zarr: each chunk with an overlap is a window."""
    network = make_network(card)
    warm_up(network, card)

    def classes(part: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            x = features(torch.from_numpy(part))[None]
            prior = x[:, len(STATES) + len(STATICS) :][:, : len(card.classes)] * 4
            scores: torch.Tensor = network(x, _no_codes(x)) + prior
        return scores.argmax(1)[0].to(torch.uint8).numpy()

    def run() -> None:
        depth = (0, OVERLAP_DEPTH, OVERLAP_DEPTH)
        chosen = da.map_overlap(
            classes,
            _stack(folder, world).rechunk((-1, side, side)),
            depth=depth,
            boundary="nearest",
            drop_axis=0,
            meta=np.empty((0, 0), np.uint8),
        )
        _write(chosen.rechunk(world.chunk), folder / "overlap.zarr")

    world.open(folder)  # imports the readers, too
    return _clean(folder / "overlap.zarr", lambda: measure(run))


def features(stack: torch.Tensor) -> torch.Tensor:
    """Make the network's 24 channels from the fields of :func:`_stack`."""
    count = len(STATES)
    linear, nearest, statics = stack[:count], stack[count : 2 * count], stack[2 * count :]
    member = torch.tensor([k for k, name in enumerate(STATES) for _ in SHARES[name]])
    share = torch.tensor([s for name in STATES for s in SHARES[name]])[:, None, None]
    prior, coarse = linear[member] * share, nearest[member] * share
    return torch.cat([linear, statics, torch.log(prior + MIN_FRACTION) / 4, (coarse - prior) * 4])


def _stack(folder: Path, world: World) -> da.Array:
    """Stack interpolated and repeated states, and static features: (12, rows, columns)."""
    data = world.open(folder)
    states = torch.from_numpy(np.concatenate([data[name].values for name in STATES]))[None]
    chunks = (-1, world.chunk, world.chunk)
    fine = [
        F.interpolate(states, scale_factor=world.ratio, mode=mode)[
            0, :, : world.rows, : world.columns
        ].numpy()
        for mode in ("bilinear", "nearest")
    ]
    statics = da.stack([data[name].data for name in STATICS])
    parts = [*(da.from_array(part, chunks) for part in fine), statics]
    stack: da.Array = da.concatenate(parts).rechunk(chunks)
    return stack


def _no_codes(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros((x.shape[0], 0, *x.shape[2:]), dtype=torch.long)


def _write(chosen: da.Array, path: Path) -> None:
    data = xr.Dataset({"land_cover": (("lat", "lon"), chosen)})
    data.to_zarr(path, zarr_format=3, consolidated=False)


def _clean(path: Path, action: Callable[[], Cost]) -> Cost:
    try:
        return action()
    finally:
        shutil.rmtree(path, ignore_errors=True)
