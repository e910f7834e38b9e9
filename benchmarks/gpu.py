"""GPU: agreement with the CPU, speed beside the bare network, memory, and training; three minutes.

Without a CUDA device it is skipped. float32 is as torch has it by default: convolutions multiply in
TF32, which differs from the CPU by about 1e-3.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from common import Settings
from emulators import CHANNELS, make_card, make_emulator, warm_up
from training import Resident, make_unet
from world import region

from xai4land.inference.forward import Forward
from xai4land.training.loop import optimise
from xai4land.windows.features import Features

__all__ = ["measure_device", "table"]

SECONDS = 8.0
"""Longest time of a measurement of speed."""


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Attributes
    ----------
    networks : tuple of str
    window, batch, steps : int
    """

    networks: tuple[str, ...] = ("2M", "8M")
    window: int = 256
    batch: int = 32
    steps: int = 20


def table(settings: Settings) -> pd.DataFrame:
    """Measure the first GPU, or say that there is none."""
    if not torch.cuda.is_available():
        return pd.DataFrame([{"": "skipped", "value": "there is no CUDA device here"}])
    sizes = Sizes(("2M",), 64, 4, 3) if settings.quick else Sizes()
    return measure_device("cuda", sizes)


def measure_device(device: str, sizes: Sizes) -> pd.DataFrame:
    """Return what is measured on a device, a line each."""
    rows: list[tuple[str, str, float | str]] = []
    for network in sizes.networks:
        for kind in (torch.float32, torch.bfloat16):
            name = str(kind).removeprefix("torch.")
            rows.append(
                (
                    network,
                    f"{name}: largest difference from CPU",
                    _differ(device, network, kind, sizes),
                )
            )
            bare, ours = _speed(device, network, kind, sizes)
            rows += [
                (network, f"{name}: bare network, Mpx/s", bare),
                (network, f"{name}: xai4land's batches, Mpx/s", ours),
                (network, f"{name}: of the bare network", ours / bare),
            ]
        rows.append((network, "training, windows a second", _train(device, network, sizes)))
    rows.append((sizes.networks[0], "batch after memory ran out twice", _halve(device, sizes)))
    if device == "cuda":
        rows.append(("", "peak MB", torch.cuda.max_memory_allocated() / 1e6))
        rows.append(("", "device", torch.cuda.get_device_name()))
    return pd.DataFrame(rows, columns=["network", "what", "value"])


def _make(network: str, sizes: Sizes, device: str, kind: torch.dtype) -> torch.nn.Module:
    card = make_card(region(512), network, window=(sizes.window, sizes.window // 4))
    made = make_emulator(card).network(device).to(kind)
    if device == "cpu":
        warm_up(made, card)
    return made


def _windows(sizes: Sizes, count: int) -> list[Features]:
    generator = torch.Generator().manual_seed(1)
    shape = (sizes.window, sizes.window)
    return [
        Features(
            torch.randn(CHANNELS, *shape, generator=generator),
            torch.zeros(0, *shape, dtype=torch.long),
            torch.zeros(0, *shape),
        )
        for _ in range(count)
    ]


def _differ(device: str, network: str, kind: torch.dtype, sizes: Sizes) -> float:
    """Return the largest difference from float32 on the CPU, as a share of the largest answer."""
    window = _windows(sizes, 1)[0]
    wanted = _make(network, sizes, "cpu", torch.float32)(
        window.continuous[None], window.codes[None]
    )
    there = _make(network, sizes, device, kind)
    with torch.inference_mode():
        x = window.continuous[None].to(device, kind)
        found = there(x, window.codes[None].to(device)).float().cpu()
    return float((found - wanted).abs().max() / wanted.abs().max())


def _speed(device: str, network: str, kind: torch.dtype, sizes: Sizes) -> tuple[float, float]:
    """Return Mpx/s of the bare network on resident windows, and of batches as inference makes."""
    made, windows = _make(network, sizes, device, kind), _windows(sizes, sizes.batch)
    at = torch.device(device)
    x = torch.stack([w.continuous for w in windows]).to(device, kind)
    x = x.contiguous(memory_format=torch.channels_last)
    codes = torch.stack([w.codes for w in windows]).to(device)
    there = [Features(w.continuous.to(device), w.codes.to(device), w.guess) for w in windows]
    forward = Forward(made, at, kind, sizes.batch)
    pixels = sizes.batch * sizes.window**2 / 1e6
    with torch.inference_mode():
        bare = _time(lambda: made(x, codes), device, sizes.steps)
        ours = _time(lambda: forward(there, lambda window: window), device, sizes.steps)
    return pixels / bare, pixels / ours


def _train(device: str, network: str, sizes: Sizes) -> float:
    """Return windows a second of the trainer, on windows that are on the device."""
    ends: list[float] = []

    def end() -> None:
        _wait(device)
        ends.append(time.perf_counter())

    optimise(
        make_unet(network).to(device),
        Resident(sizes.steps, sizes.window, sizes.batch, device),
        epochs=1,
        steps=sizes.steps,
        learning_rate=1e-3,
        weight_decay=0.05,
        on_step=end,
    )
    return sizes.batch / statistics.median(b - a for a, b in itertools.pairwise(ends))


def _halve(device: str, sizes: Sizes) -> float:
    """Let memory run out for batches above a quarter, and return the batch that is left."""
    made = _make(sizes.networks[0], sizes, device, torch.float32)
    fits = max(sizes.batch // 4, 1)

    def small(x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        if len(x) > fits and device == "cuda":
            torch.empty(2 * torch.cuda.mem_get_info()[1], dtype=torch.uint8, device=device)
        if len(x) > fits:
            raise torch.OutOfMemoryError("a stand-in where there is no GPU")
        return made(x, codes)

    forward = Forward(small, torch.device(device), torch.float32, sizes.batch)  # type: ignore[arg-type]
    windows = [Features(*(part.to(device) for part in w)) for w in _windows(sizes, sizes.batch)]
    with torch.inference_mode():
        done = forward(windows, lambda window: window)
    assert len(done) == sizes.batch
    return forward.batch_size


def _time(action: Callable[[], object], device: str, steps: int) -> float:
    """Return the median seconds, after a run that is not counted."""
    action()
    _wait(device)
    taken: list[float] = []
    while len(taken) < steps and sum(taken) < SECONDS:
        start = time.perf_counter()
        action()
        _wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
