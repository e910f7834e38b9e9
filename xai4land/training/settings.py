"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MapSettings"]


@dataclass(frozen=True)
class MapSettings:
    """How an emulator of maps is trained; all of it is written to the card.

    Attributes
    ----------
    epochs : int
        Each ends with a look at the validation windows; the best weights are kept.
    steps : int
        Batches an epoch.
    batch_size : int
        Windows a batch.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises and falls once (Smith 2018).
    workers : int
        Threads that make the next batches while the device computes.
    seed : int
        Same seed, data and machine: same emulator.

    Examples
    --------
    >>> MapSettings(epochs=5).problems()
    []
    >>> MapSettings(epochs=0).problems()
    ['epochs=0, expected a whole number of at least 1']
    """

    epochs: int = 20
    steps: int = 50
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    workers: int = 2
    seed: int = 0

    def problems(self) -> list[str]:
        """Return what is out of range."""
        found = []
        for name in ("epochs", "steps", "batch_size", "workers"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                found.append(f"{name}={value!r}, expected a whole number of at least 1")
        for name in ("learning_rate", "weight_decay", "seed"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < 1e9:
                found.append(f"{name}={value!r}, expected a number from 0")
        return found
