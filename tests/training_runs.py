"""A short training as a program, to be started, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import torch
import xarray as xr

import seasonal_training
from conftest import small_world
from land_training import train
from xai4land.training.distributed import is_first_process

FOLDER = Path(__file__).parent
LIMIT = 150
"""Seconds that no run here needs."""


def start(out: Path, processes: int = 1, **how: object) -> subprocess.CompletedProcess[str]:
    """Run the training in a program of its own, or in several that torchrun starts."""
    given = [f"{name}={json.dumps(value)}" for name, value in how.items()]
    begin = [sys.executable]
    if processes > 1:
        begin += ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
        begin += ["--master-addr=127.0.0.1", f"--master-port={free_port()}"]
    return subprocess.run(
        [*begin, str(FOLDER / "training_runs.py"), str(out), *given],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def kill_after(steps: int, rank: str | None = None, code: int = signal.SIGKILL) -> None:
    """Let this process kill itself in the step after some steps."""
    from xai4land.training import trainer

    done = 0
    take = trainer.Trainer._take_step

    def count(self, parts):
        nonlocal done
        if done == steps and rank in (None, os.environ.get("RANK")):
            os.kill(os.getpid(), code)
        done += 1
        return take(self, parts)

    trainer.Trainer._take_step = count


def stop_at_first_step(out: str) -> None:
    """Let this process end before the first step, and write how often it read each chunk."""
    from collections import Counter

    import zarr

    from xai4land.training import fit as fitting

    counts: Counter[str] = Counter()
    get = zarr.storage.LocalStore.get

    async def count(self, key, *given, **named):
        found = await get(self, key, *given, **named)
        counts[key] += found is not None and key.rsplit("/", 1)[-1][0].isdigit()
        return found

    def end(*given, **how):
        Path(f"{out}.{os.environ['RANK']}").write_text(json.dumps(+counts))
        raise SystemExit(0)

    zarr.storage.LocalStore.get, fitting.train = count, end


def main(out: str, *given: str) -> None:
    torch.set_num_threads(1)
    how = {k: json.loads(v) for k, v in (word.split("=", 1) for word in given)}
    if (steps := how.pop("kill_after", None)) is not None:
        kill_after(steps, how.pop("kill_rank", None))
    if how.pop("seed_of_rank", False):
        how["seed"] = int(os.environ["RANK"])
    if how.pop("stop", False):
        stop_at_first_step(out)
    if how.pop("seasons", False):
        emulator = seasonal_training.train(**how)
    else:
        store = how.pop("store", None)
        emulator = train(xr.open_zarr(store) if store else small_world(times=1), **how)
    if is_first_process():
        emulator.save(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
