"""Bundled emulators of maps: the network alone over one window, processor time of one core.

With --write the figures are kept beside the emulators' files, where their pages and
`xai4land emulators show` find them.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch
from common import Settings

import xai4land
from xai4land.emulator import Emulator

__all__ = ["measure", "table"]


def table(settings: Settings) -> pd.DataFrame:
    """Return thousands of pixels a second and core of each emulator."""
    names = xai4land.emulators().query("source == 'bundled'").name
    found = {name: xai4land.load_emulator(name) for name in names}
    maps = {name: emulator for name, emulator in found.items() if isinstance(emulator, Emulator)}
    count = 1 if settings.quick else 9
    speeds = {name: measure(emulator, count) for name, emulator in maps.items()}
    if settings.write:
        for name, speed in speeds.items():
            path = maps[name].path
            assert path is not None
            text = json.dumps({"sha256": maps[name].sha256, "speed": describe(speed)}, indent=1)
            path.with_suffix(".speed.json").write_text(text + "\n")
    rows = [{"": name, "1000 pixels a second and core": s / 1000} for name, s in speeds.items()]
    return pd.DataFrame(rows)


def measure(emulator: Emulator, count: int) -> float:
    """Return pixels a second of the network, by the median processor time of a window."""
    torch.set_num_threads(1)
    card, network = emulator.card, emulator.network()
    size = card.window.size
    batch = max(2**15 // size**2, 1)  # small windows go through the network together
    x = torch.randn(batch, card.channels, size, size).contiguous(memory_format=torch.channels_last)
    codes = torch.ones(batch, len(card.coded), size, size, dtype=torch.long)
    taken = []
    with torch.inference_mode():
        for _ in range(count + 1):
            start = time.process_time()
            network(x, codes)
            taken.append(time.process_time() - start)
    return batch * size**2 / statistics.median(taken[1:])


def describe(speed: float) -> str:
    """Return a line for people."""
    how = f"float32, processor time; {find_processor()}, {datetime.now(UTC):%B %Y}"
    rounded = float(f"{speed / 1000:.2g}")
    return f"{rounded:,g} thousand pixels a second of one core (the network alone, {how})"


def find_processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
