"""The processes that train together: what they sum, and which one writes."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from xai4land.errors import InputError, Xai4landError

__all__ = ["World", "is_first_process", "join_world"]

LONGEST_WAIT = timedelta(minutes=30)
"""After which a process that waits for another one gives up; one that died is noticed at once."""
LONGEST_READ = timedelta(days=7)
"""The same while the first process reads all data."""
PROBLEMS, RESULT = b"p", b"r"
"""First byte of what the first process sends."""
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Set by torchrun for each process."""


@dataclass(frozen=True)
class World:
    """The processes of a training.

    Attributes
    ----------
    rank : int
        Number of this process; that of rank 0 writes and prints.
    size : int
        How many there are.
    device : str
        Of this process.

    Examples
    --------
    >>> World().add(torch.ones(2))
    tensor([1., 1.])
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, on this one's device.

        Raises
        ------
        Xai4landError
            If another process is no longer there.
        """
        if self.size == 1:
            return values
        total = values.to(self.device)
        with _explain_lost_processes():
            dist.all_reduce(total)
        return total

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return the tensors of all processes, which have one shape, along a first dimension."""
        if self.size == 1:
            return values[None]
        here = values.to(self.device)
        found = [torch.empty_like(here) for _ in range(self.size)]
        with _explain_lost_processes():
            dist.all_gather(found, here)
        return torch.stack(found).to(values.device)

    def share(self, make: Callable[[], bytes]) -> bytes:
        """Return what the first process makes; the others wait for it, however long.

        Raises
        ------
        InputError
            In all processes, if it is raised in the first one.
        """
        if self.size == 1:
            return make()
        with _explain_lost_processes():
            waiting = dist.new_group(backend="gloo", timeout=LONGEST_READ)
        content = _make_or_list_problems(make) if self.rank == 0 else b""
        with _explain_lost_processes():
            length = torch.tensor([len(content)])
            dist.broadcast(length, 0, group=waiting)
            buffer = torch.zeros(int(length), dtype=torch.uint8)
            if self.rank == 0:
                buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            dist.broadcast(buffer, 0, group=waiting)
            dist.destroy_process_group(waiting)
        content = buffer.numpy().tobytes()
        if content[:1] == PROBLEMS:
            raise InputError(json.loads(content[1:]))
        return content[1:]

    def check_same(self, digest: str) -> None:
        """Refuse processes that would train something else.

        Parameters
        ----------
        digest : str
            Of what all must share, in hexadecimal.

        Raises
        ------
        InputError
        """
        found = self.gather(torch.frombuffer(bytearray.fromhex(digest), dtype=torch.uint8))
        if not bool((found == found[0]).all()):
            raise InputError(
                "the processes do not train on the same data with the same settings; give all of "
                "them the same files, arguments and versions"
            )


def is_first_process() -> bool:
    """Return whether this process is to write and print: the only one, or that of rank 0."""
    return os.environ.get("RANK", "0") == "0"


def join_world(device: str) -> World:
    """Join the processes that torchrun has started, or be alone.

    Parameters
    ----------
    device : str
        As :func:`xai4land.device.choose_device` gives it; ``"cuda"`` becomes the process's own.

    Examples
    --------
    >>> join_world("cpu")
    World(rank=0, size=1, device='cpu')
    """
    if not dist.is_available():
        return World(device=device)
    started = all(name in os.environ for name in VARIABLES) and os.environ["WORLD_SIZE"] != "1"
    if not (started or dist.is_initialized()):
        return World(device=device)
    if device == "cuda":
        device = f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        kind = "nccl" if device.startswith("cuda") else "gloo"
        with _explain_lost_processes():
            dist.init_process_group(kind, timeout=LONGEST_WAIT)
        atexit.register(_leave)
    return World(dist.get_rank(), dist.get_world_size(), device)


def _make_or_list_problems(make: Callable[[], bytes]) -> bytes:
    try:
        return RESULT + make()
    except InputError as error:
        return PROBLEMS + json.dumps(error.problems).encode()


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _explain_lost_processes() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of gloo and NCCL alike
        reason = str(error).partition("\n")[0]
        raise Xai4landError(
            "another process of this training ended, or could not be reached; its own message says "
            "why. The last checkpoint is complete: the same command goes on from there "
            f"({reason})"
        ) from error
