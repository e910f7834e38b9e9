"""What an emulator reads at a step, from what a model gives and what earlier steps left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from xai4land.coupling.dates import Date
from xai4land.coupling.fields import StepField
from xai4land.emulator import Emulator, MapCard
from xai4land.emulator.card import Input
from xai4land.emulator.inputs import Bound
from xai4land.errors import InputError
from xai4land.grids.grid import Grid, Target

__all__ = ["Setup", "StepInputs", "make_placeholder"]


@dataclass(frozen=True)
class Setup:
    """What a stepper is made from.

    Attributes
    ----------
    emulator : Emulator
    like : Dataset
        Variables, or coordinates alone, that show on which grid each field lies.
    static : Dataset or None
    target : optional
    prior : Dataset or DataArray or None
    options : mapping
        Those of the emulator's head, and of its inputs.
    """

    emulator: Emulator
    like: xr.Dataset
    static: xr.Dataset | None
    target: Target
    prior: Any
    options: Mapping[str, Any]

    @property
    def card(self) -> MapCard:
        """The emulator's card."""
        return self.emulator.card

    def find_grid(self, name: str) -> Grid:
        """Return the grid of a field.

        Raises
        ------
        InputError
            If ``like`` has no coordinates of latitude and longitude.
        """
        return Grid.of(self.like.get(name, self.like), "like")


class StepInputs:
    """The inputs of an emulator that remembers nothing: fields are its dynamic inputs.

    A plugin derives from it for emulators that go on from earlier steps, and offers it as an entry
    point ``xai4land.step_inputs`` that is named after the ``kind`` of the card's outputs.

    Attributes
    ----------
    setup : Setup
    fields : dict from str to StepField
        What a step takes.
    keeps_arrays : bool
        Whether an array that :meth:`form` has returned never changes, so that what was made of it
        serves again when it is returned again.
    """

    keeps_arrays = False

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.check(setup)
        self.fields = self.list_fields()

    def check(self, setup: Setup) -> None:
        """Refuse what this emulator has no use for."""
        if setup.prior is not None:
            raise InputError(
                f"prior= for emulator {setup.card.name!r}, which makes each map from its own "
                "year alone; leave prior= out"
            )

    @property
    def emulator(self) -> Emulator:
        """The emulator that makes the outputs: the stepper's, as the options would have it."""
        return self.setup.emulator

    def list_fields(self) -> dict[str, StepField]:
        """Return what a step takes, by name."""
        return {
            spec.name: StepField.of(spec, self.setup.find_grid(spec.name))
            for spec in self.setup.card.of_role("dynamic")
        }

    @property
    def template(self) -> xr.Dataset:
        """Inputs of the card that change, with any values, on their grids."""
        return xr.Dataset(
            {
                spec.name: make_placeholder(spec, self.fields[spec.name].grid)
                for spec in self.setup.card.of_role("dynamic")
            }
        )

    @property
    def target(self) -> Target:
        """The grid of the outputs."""
        return self.setup.target

    def options(self, bound: Bound) -> dict[str, Any]:
        """Return the options of the emulator's head, checked."""
        return dict(self.setup.options)

    def prepare(self, data: xr.Dataset) -> xr.Dataset:
        """Return a dataset of a step with the fields that can be formed from it."""
        return data

    def remember(self, fields: Mapping[str, np.ndarray], date: Date | None) -> None:
        """Take a step of the history, of which nothing is made."""
        raise InputError(
            f"history= for emulator {self.setup.card.name!r}, which needs none; leave history= out"
        )

    def form(
        self, fields: Mapping[str, np.ndarray], date: Date | None
    ) -> dict[str, np.ndarray] | None:
        """Return the inputs of the card that change, or None where the prior map is the answer.

        Nothing is remembered until :meth:`accept`, so that a step that fails can be done again.

        Raises
        ------
        InputError
            If the step cannot be served.
        """
        return dict(fields)

    def accept(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Remember what later steps need, once a step has succeeded."""

    @property
    def prior(self) -> dict[str, np.ndarray]:
        """The prior map by the name of its input, where :meth:`form` may return None."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint must share with the stepper that goes on from it; values are JSON."""
        return {}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What later steps need, by name; can be set."""
        return {}

    @state.setter
    def state(self, values: Mapping[str, np.ndarray]) -> None:
        if values:
            raise InputError(f"a state of {', '.join(values)}, expected none")


def make_placeholder(spec: Input, grid: Grid) -> xr.DataArray:
    """Return a variable for an input on a grid, whose values are not looked at."""
    return xr.DataArray(
        da.full(grid.shape, np.float32(np.nan), chunks=-1),
        coords=grid.coords(),
        dims=grid.names,
        name=spec.name,
        attrs={"units": spec.units},
    )
