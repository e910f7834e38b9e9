"""The head of continuous variables: a coarse field, or a constant, corrected by a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xai4land.emulator.outputs import Numbers
from xai4land.grids.periods import Period
from xai4land.heads.base import FirstGuess, TrainingWindow
from xai4land.heads.conserve import conserve_means
from xai4land.heads.constant import ConstantGuess
from xai4land.heads.loss import Loss
from xai4land.heads.moments import Moments, round_digits
from xai4land.heads.outputs import Output, check_finite
from xai4land.windows.cells import CellLookup, Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack, join_layers

__all__ = ["CoarseFields", "NumberHead"]


class NumberHead:
    """The head of continuous variables.

    The network gives corrections of the first guess, in units of each variable's ``scale``. Values
    are kept within their valid range and, if the card says so, their mean over each coarse cell
    is made to agree with the coarse input.

    Parameters
    ----------
    numbers : Numbers
        The outputs as the card describes them.
    """

    missing_truth = float("nan")

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers

    @property
    def period(self) -> Period:
        """Return the card's."""
        return self.numbers.period

    @property
    def title(self) -> str:
        """Return the names of the variables."""
        return ", ".join(v.long_name or v.name.replace("_", " ") for v in self.numbers.variables)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the variables."""
        found = []
        for variable in self.numbers.variables:
            attrs: dict[str, Any] = {
                "standard_name": variable.standard_name,
                "long_name": variable.long_name or variable.name.replace("_", " "),
                "units": variable.units,
                "cell_methods": variable.cell_methods,
                "valid_range": np.array(variable.valid_range, np.float32),
            }
            given = {name: value for name, value in attrs.items() if len(value)}
            found.append(Output(variable.name, "float32", given, np.float32(np.nan)))
        return tuple(found)

    def first_guess(self, stacks: Sequence[Stack]) -> FirstGuess:
        """Return the coarse fields of the variables, or zero where none has one."""
        if self.numbers.coarse_inputs:
            return CoarseFields.of(self.numbers, stacks)
        return ConstantGuess(self.numbers.layers, stacks[0])

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return the first guess itself."""
        return guess

    def refine(self, raw: torch.Tensor, guess: Any, pixels: Pixels) -> torch.Tensor:
        """Return the network's answer as it is."""
        return raw

    def answer(self, raw: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return the corrected first guess, in units of ``scale``."""
        return raw + start

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: FirstGuess, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return the variables in their units; see :class:`Head`."""
        check_finite(blended)
        offset, scale, low, high = (part.to(blended.device) for part in self._constants)
        physical = blended * scale[:, None, None] + offset[:, None, None]
        if self.numbers.conserve:
            physical = conserve_means(physical, guess.cells(pixels), low, high)
        else:
            physical = physical.clamp(low[:, None, None], high[:, None, None])
        return dict(zip(self.numbers.names, physical, strict=True))

    @cached_property
    def _constants(self) -> tuple[torch.Tensor, ...]:
        """Offset, scale, lowest and highest value of each variable."""
        variables = self.numbers.variables
        columns = zip(*((v.offset, v.scale, *v.valid_range) for v in variables), strict=True)
        return tuple(torch.tensor(column) for column in columns)

    def learn(self, truth: Iterable[npt.NDArray[Any]]) -> Numbers:
        """Return the variables with mean and standard deviation of the truth."""
        return self.learn_from(sum(map(self.count, truth), self._no_moments()))

    def count(self, piece: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
        """Return the moments of each variable, which are added up as counts are."""
        found = self._no_moments()
        found[:] = [Moments.of(values.astype(np.float64)) for values in piece]
        return found

    def learn_from(self, counts: npt.NDArray[np.object_]) -> Numbers:
        """Return the variables with mean and standard deviation; see :meth:`learn`."""
        learned = [
            variable.model_copy(
                update={
                    "offset": round_digits(one.mean),
                    "scale": round_digits(one.deviation) or 1.0,
                }
            )
            for variable, one in zip(self.numbers.variables, counts, strict=True)
        ]
        return self.numbers.model_copy(update={"variables": tuple(learned)})

    def _no_moments(self) -> npt.NDArray[np.object_]:
        found = np.empty(len(self.numbers.variables), object)
        found[:] = Moments()
        return found

    def loss(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> Loss:
        """Return the area-weighted Huber loss in units of ``scale``, robust to outliers."""
        offset, scale = (part.to(raw.device)[:, None, None] for part in self._constants[:2])
        truth = (torch.stack([window.truth for window in windows]) - offset) / scale
        known = torch.isfinite(truth)
        area = torch.stack([window.area for window in windows])[:, None] * known
        answer = self.answer(raw, self.start(guess))
        losses = torch.nn.functional.huber_loss(
            answer, torch.where(known, truth, answer.detach()), reduction="none"
        )
        return Loss((losses * area).sum(), area.sum())

    def tune(
        self,
        raw: Sequence[torch.Tensor],
        guess: Sequence[torch.Tensor],
        windows: Sequence[TrainingWindow],
    ) -> Numbers:
        """Return the outputs as they are: nothing is chosen after training."""
        return self.numbers


@dataclass(frozen=True)
class CoarseFields:
    """What the coarse inputs say of the variables, around a place.

    Attributes
    ----------
    outputs : Numbers
    field : Field
        The coarse input of each variable that has one, in order.
    """

    outputs: Numbers
    field: Field

    @classmethod
    def of(cls, outputs: Numbers, stacks: Sequence[Stack]) -> CoarseFields:
        """Return the coarse fields that the stacks hold."""
        return cls(outputs, join_layers(stacks, [v.coarse for v in outputs.variables if v.coarse]))

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return the interpolated coarse value of each variable, in units of ``scale``.

        It is zero, which is ``offset``, where there is none.
        """
        values, weight = self.field.interpolate(*pixels)
        shape = (len(self.outputs.variables), *pixels.shape)
        guess = torch.zeros(shape, device=self.field.values.device)
        for layer, k in enumerate(self._with_coarse):
            scaled = self._scale(k, values[layer])
            guess[k] = scaled if weight is None else torch.where(weight[layer] > 0, scaled, 0.0)
        return guess

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write the first guess, and how far the cell's own value differs."""
        count = len(self._with_coarse)
        own = self._lookup.on_pixels(self.field, pixels)
        for layer, k in enumerate(self._with_coarse):
            channels[layer] = values[k]
            channels[count + layer] = self._scale(k, own[layer]) - values[k]

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return whether the coarse inputs are missing in all cells, as the output is then."""
        return not bool(torch.isfinite(self._lookup.values(self.field, pixels)).any())

    def cells(self, pixels: Pixels) -> Cells:
        """Return the coarse value of each variable in the cells under a box of pixels."""
        return self._lookup.cells(self.field, pixels)

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return the pixels whose coarse cell is known."""
        cells = self.cells(pixels)
        return cells.spread(torch.isfinite(cells.values).all(0))

    def _scale(self, variable: int, values: torch.Tensor) -> torch.Tensor:
        about = self.outputs.variables[variable]
        return (values - about.offset) / about.scale

    @cached_property
    def _with_coarse(self) -> list[int]:
        return [k for k, variable in enumerate(self.outputs.variables) if variable.coarse]

    @cached_property
    def _lookup(self) -> CellLookup:
        return CellLookup(self.field.grid, self.field.values.device)
