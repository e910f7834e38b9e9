"""torch's random numbers of all processes, so that a training goes on with the same ones."""

from __future__ import annotations

import torch

from xai4land.training.distributed import World

__all__ = ["gather_random_states", "restore_random_states"]


def gather_random_states(world: World) -> dict[str, torch.Tensor]:
    """Return the states of all processes: the CPU's, and the device's where it has its own."""
    states = {"cpu": torch.get_rng_state()}
    if world.device.startswith("cuda"):
        states["device"] = torch.cuda.get_rng_state(world.device)
    return {name: world.gather(state) for name, state in states.items()}


def restore_random_states(world: World, states: dict[str, torch.Tensor]) -> None:
    """Restore this process's states; that of a process that was not there stays as it is."""
    if world.rank >= len(states["cpu"]):
        return
    # Copies, since torch reads a state from the beginning of its storage.
    torch.set_rng_state(states["cpu"][world.rank].clone())
    if world.device.startswith("cuda") and "device" in states:
        torch.cuda.set_rng_state(states["device"][world.rank].clone(), world.device)
