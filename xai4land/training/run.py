"""A training as users start it: on its processes, with its files, progress, or a dry run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import torch

from xai4land.errors import InputError
from xai4land.files import local_path
from xai4land.progress import progress_bar
from xai4land.training.batch_norm import share_batch_norm
from xai4land.training.checkpoint import Checkpoint, digest_tensors
from xai4land.training.distributed import World
from xai4land.training.experiment import StepTimer, write_log
from xai4land.training.loop import optimise
from xai4land.training.objective import Task, Training
from xai4land.training.settings import TrainingSettings

__all__ = ["check_batches", "run_training"]

B = TypeVar("B")
Module = TypeVar("Module", bound=torch.nn.Module)
DRY_STEPS = 2


def run_training(
    network: Module,
    task: Task[Module, B],
    settings: TrainingSettings,
    *,
    world: World,
    progress: bool = True,
) -> Training:
    """Train a network in place, as the settings say: the one way in which all networks are trained.

    Parameters
    ----------
    network : Module
        On its device, with the same weights in all processes.
    task : Task
        What it is trained for.
    settings : TrainingSettings
        With ``dry_run`` two steps are trained, nothing is written, and an estimate is printed.
    world : World
    progress : bool

    Returns
    -------
    Training

    Raises
    ------
    InputError
        If the checkpoint is of another training, or has no place; or if processes differ.
    """
    plan, steps, timer = settings, task.steps, StepTimer()
    if settings.dry_run:
        settings = replace(settings, epochs=1, checkpoint="", log="")
        steps = min(steps, DRY_STEPS)
    if world.size > 1:
        share_batch_norm(network)
    checkpoint = _find_checkpoint(task, network, settings, world)
    with progress_bar(progress and world.rank == 0) as bar:
        shown = bar.add_task("fit", total=settings.epochs * steps, note="")

        def advance() -> None:
            timer.take()
            bar.advance(shown)

        def report(run: Training) -> None:
            timer.take()
            held = run.validation or run.losses
            note = f"{'validation' if run.validation else 'loss'} {held[-1]:.4f}"
            note += f", best {run.best:.4f}" if run.validation else ""
            bar.update(shown, completed=len(run.losses) * steps, note=note)
            if settings.log and world.rank == 0:
                write_log(local_path(settings.log), run)

        run = optimise(
            network,
            task,
            epochs=settings.epochs,
            steps=steps,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            schedule=settings.schedule,
            clip=settings.clip,
            ema=settings.ema,
            world=world,
            checkpoint=checkpoint,
            on_step=advance,
            on_epoch=report,
        )
    if plan.dry_run:
        run.estimate = str(timer.estimate(network, plan, task.steps, world))
        if world.rank == 0:
            print(run.estimate)
    return run


def check_batches(settings: TrainingSettings, world: World) -> None:
    """Refuse batches that leave a process, or a part of its batch, with nothing.

    Raises
    ------
    InputError
    """
    parts = settings.accumulate * world.size
    if settings.batch_size < parts:
        raise InputError(
            f"batch_size={settings.batch_size} is less than the {world.size} processes times "
            f"accumulate={settings.accumulate}; give batch_size={parts} at least"
        )


def _find_checkpoint(
    task: Task[Any, Any], network: torch.nn.Module, settings: TrainingSettings, world: World
) -> Checkpoint | None:
    """Return where the state is written, if it is; all processes must train the same."""
    if not settings.checkpoint and world.size == 1:
        return None
    data, initial = task.digest(), digest_tensors(network.state_dict())
    world.check_same(digest_tensors({"both": torch.tensor([*(data + initial).encode()])}))
    if not settings.checkpoint:
        return None
    path = local_path(settings.checkpoint)
    if path.suffix != ".safetensors" or not path.parent.is_dir():
        raise InputError(
            f"checkpoint={str(path)!r}, expected a file that ends in .safetensors, in a folder "
            "that exists"
        )
    about = {k: v for k, v in settings.record().items() if k != "workers"}
    about |= {"data": data, "network": initial}
    return Checkpoint(path, about, task.rng, settings.minutes, task.check_data)
