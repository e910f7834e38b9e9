"""The head: all that the engine must know of what comes out of an emulator.

The engine makes windows, runs the network, blends what it says and stores what comes out. What the
numbers mean is up to the head: :class:`xai4land.heads.classes.ClassHead` for class maps,
:class:`xai4land.heads.numbers.NumberHead` for continuous variables, or a third party's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt
import torch

from xai4land.emulator.outputs import Outputs
from xai4land.grids.periods import Period
from xai4land.heads.loss import Loss
from xai4land.heads.outputs import Output
from xai4land.windows.cells import Cells
from xai4land.windows.features import GuessChannels, Pixels
from xai4land.windows.fields import Stack

__all__ = ["CarryingHead", "CountingHead", "FirstGuess", "Head", "Period", "TrainingWindow"]


class FirstGuess(GuessChannels, Protocol):
    """What the coarse inputs say without a network, around a place."""

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return the first guess, shape (layers, rows, columns)."""
        ...

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return whether the answer is known without the network in all of a window."""
        ...

    def cells(self, pixels: Pixels) -> Cells:
        """Return what outputs must agree with in each coarse cell."""
        ...

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return how much can be learned of each pixel, from 0 to 1 or as bool, (rows, columns)."""
        ...


@dataclass(frozen=True)
class TrainingWindow:
    """What a network learns from in one window, beside its features.

    Attributes
    ----------
    cells : Cells
        Those that the window's edge cuts are missing.
    truth : Tensor, shape (truth layers, size, size)
        As the head encodes it; missing outside the split.
    area : Tensor, shape (size, size)
        Weight of each pixel, the cosine of its latitude.
    """

    cells: Cells
    truth: torch.Tensor
    area: torch.Tensor

    def to(self, device: torch.device) -> TrainingWindow:
        """Return the window on a device."""
        return TrainingWindow(self.cells.to(device), self.truth.to(device), self.area.to(device))


class Head(Protocol):
    """From inputs to a first guess, and from the network's answer to finished fields.

    Attributes
    ----------
    outputs : tuple of Output
        The variables that are made, in the order of the dataset.
    period : str
        What a time step of the outputs stands for.
    title : str
        What is made, in few words.
    missing_truth : float
        What stands for an unknown truth; NaN, or a code.
    pixelwise : bool
        May be there, to say that the loss is a sum over pixels, each for itself: the pixels of many
        windows are then mixed where the network sees each alone, too.
    """

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the variables."""
        ...

    @property
    def period(self) -> Period:
        """Return what a time step stands for."""
        ...

    @property
    def title(self) -> str:
        """Return what is made."""
        ...

    @property
    def missing_truth(self) -> float:
        """Return what stands for an unknown truth."""
        ...

    def first_guess(self, stacks: Sequence[Stack]) -> FirstGuess:
        """Return the first guess from what was read of the inputs."""
        ...

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return what the network's answer is added to, from the values of the first guess."""
        ...

    def refine(self, raw: torch.Tensor, guess: Any, pixels: Pixels) -> torch.Tensor:
        """Return the network's answer in a window, with what the window as a whole adds to it.

        Parameters
        ----------
        raw : Tensor, shape (layers, size, size)
        guess : FirstGuess
            As :meth:`first_guess` made it.
        pixels : Pixels
            The window.
        """
        ...

    def answer(self, raw: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return what windows are blended from; shapes are (..., layers, rows, columns)."""
        ...

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: Any, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return the outputs of a tile by name, as blocks keep them.

        Parameters
        ----------
        blended : Tensor, shape (layers, rows, columns)
            Weighted mean of the windows' answers; of the first guess where no network was needed.
        values : Tensor, shape (layers, rows, columns)
            The first guess.
        guess : FirstGuess
            As :meth:`first_guess` made it.
        pixels : Pixels
            Whole coarse cells, if outputs are fitted to them.
        """
        ...

    def learn(self, truth: Iterable[npt.NDArray[Any]]) -> Outputs:
        """Return the card's outputs with what they take from the truth in the training blocks.

        Parameters
        ----------
        truth : iterable of ndarray, shape (layers, rows, columns)
            Piece by piece.
        """
        ...

    def loss(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> Loss:
        """Return the loss of a batch and its weight, on the device of its tensors."""
        ...

    def tune(
        self,
        raw: Sequence[torch.Tensor],
        guess: Sequence[torch.Tensor],
        windows: Sequence[TrainingWindow],
    ) -> Outputs:
        """Return the card's outputs with what is chosen on validation windows after training."""
        ...


@runtime_checkable
class CountingHead(Head, Protocol):
    """A head that learns from counts that are added up, so that the truth is read once for all.

    How much can be learned of a pixel (:meth:`FirstGuess.undecided`) does not depend on the counts.
    """

    def count(self, piece: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the counts of a piece of the truth, shape (layers, rows, columns)."""
        ...

    def learn_from(self, counts: npt.NDArray[Any]) -> Outputs:
        """Return the card's outputs with what they take from the counts of all pieces."""
        ...


class CarryingHead(Head, Protocol):
    """The head of a map that follows from a prior map, so that a series goes on from its own maps.

    Attributes
    ----------
    carried : str
        The output that is the prior map of the next step.
    """

    @property
    def carried(self) -> str:
        """Return the output that is the prior map of the next step."""
        ...

    def repeat(self, prior: Stack, pixels: Pixels) -> dict[str, torch.Tensor]:
        """Return the outputs of the prior map itself, as :meth:`Head.finish` returns them."""
        ...
