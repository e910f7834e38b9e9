"""What is told of a training: its course as a table, and what it would take."""

from __future__ import annotations

import csv
import io
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch

from xai4land.errors import StoreError, StoreWarning
from xai4land.files import translate_os_errors, write_file
from xai4land.training.distributed import World
from xai4land.training.objective import Training
from xai4land.training.settings import TrainingSettings

__all__ = ["Estimate", "StepTimer", "write_log"]

COLUMNS = (
    "epoch",
    "loss",
    "validation_loss",
    "best_loss",
    "learning_rate",
    "gradient_norm",
    "seconds",
)


def write_log(path: Path, training: Training) -> None:
    """Write a line for each epoch so far, as CSV; the file before is replaced.

    What cannot be written is a warning: it is no reason to end a training.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    best = float("inf")
    for epoch, loss in enumerate(training.losses):
        validation = training.validation[epoch] if training.validation else loss
        best = min(best, validation)
        course = training.rates[epoch], training.norms[epoch], training.seconds[epoch]
        writer.writerow(
            [epoch + 1, f"{loss:.6g}", validation, best, *(f"{value:.5g}" for value in course)]
        )
    try:
        with translate_os_errors(path, "give another log="):
            write_file(path, text.getvalue())
    except StoreError as error:
        warnings.warn(f"{error}. The training goes on", StoreWarning, stacklevel=2)


@dataclass(frozen=True)
class Estimate:
    """What a training will take, from two steps of it.

    Attributes
    ----------
    parameters : int
        Of the network.
    step, validation : float
        Seconds of a step, with reading, and of a look at the validation windows.
    epochs, steps, processes : int
    memory, checkpoint : float
        Peak of this process on its device so far, and size of a checkpoint, in MB.
    device : str
    """

    parameters: int
    step: float
    validation: float
    epochs: int
    steps: int
    processes: int
    memory: float
    checkpoint: float
    device: str

    def __str__(self) -> str:
        total = self.epochs * (self.steps * self.step + self.validation)
        hours = f"{total / 3600:.1f} hours" if total > 7200 else f"{total / 60:.1f} minutes"
        return (
            f"training of {self.parameters:,} parameters on {self.processes} x {self.device}\n"
            f"  time        {hours}: {self.epochs} epochs of {self.steps} steps of "
            f"{self.step:.3g} s, and {self.validation:.3g} s of validation each\n"
            f"  memory      {self.memory:,.0f} MB in each process, so far\n"
            f"  checkpoint  {self.checkpoint:,.1f} MB"
        )


@dataclass
class StepTimer:
    """When a training began, and when its steps, and the epoch after them, ended."""

    ends: list[float] = field(default_factory=lambda: [time.monotonic()])

    def take(self) -> None:
        """Note the time."""
        self.ends.append(time.monotonic())

    def estimate(
        self, network: torch.nn.Module, plan: TrainingSettings, steps: int, world: World
    ) -> Estimate:
        """Return what a training of many steps will take, by the last one and by validation."""
        before, step, end = self.ends[-3:]
        state = sum(value.nbytes for value in network.state_dict().values())
        copies = 5 if plan.ema else 4  # weights, the best ones, two moments
        return Estimate(
            parameters=sum(p.numel() for p in network.parameters()),
            step=step - before,
            validation=end - step,
            epochs=plan.epochs,
            steps=steps,
            processes=world.size,
            memory=_peak_memory(world.device) / 1e6,
            checkpoint=copies * state / 1e6,
            device=world.device.partition(":")[0],
        )


def _peak_memory(device: str) -> float:
    """Return the peak of this process, in bytes; NaN where the system does not say."""
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else 1024 * peak
