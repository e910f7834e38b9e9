"""Maps that follow from each other, made step by step inside of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from xai4land.coupling import Setup, StepInputs
from xai4land.coupling.dates import Date
from xai4land.coupling.fields import StepField
from xai4land.coupling.inputs import make_placeholder
from xai4land.emulator import Changes
from xai4land.emulator.inputs import Bound
from xai4land.emulator.outputs import MISSING_CLASS, PRIOR_SUFFIX
from xai4land.errors import InputError
from xai4land.grids.grid import Grid, target_grid
from xai4land_land.change.demand import CLIPPED, correct_states, prior_fractions
from xai4land_land.change.prior import PRIOR_DIMS, encode_prior, find_years, put_on_target
from xai4land_land.change.rollout import (
    STEP_YEARS,
    Steps,
    check_demand,
    check_steps,
    drop_date,
)
from xai4land_land.class_steps import check_options
from xai4land_land.hilda import form_own_states

__all__ = ["ChangeInputs"]

OPTIONS = {
    "probabilities": False,
    "uncertainty": False,
    "exchange": False,
    "member": None,
    "seed": 0,
}


class ChangeInputs(StepInputs):
    """States of both years, the prior map and the years between, from the states of a step."""

    def __init__(self, setup: Setup) -> None:
        outputs = setup.card.outputs
        assert isinstance(outputs, Changes)
        if setup.prior is None:
            raise InputError(
                f"emulator {setup.card.name!r} makes a map from that of another year; give prior="
            )
        map_ = encode_prior(setup.prior, outputs)
        years = find_years(map_)
        if len(years) != 1:
            found = ", ".join(map(str, years))
            raise InputError(f"the prior map is of {found}, expected one year; select one of them")
        self.outputs, self.start = outputs, years[0]
        self.level = setup.options.get("demand", "change") == "level"
        self.year = self.start
        self._known: dict[str, np.ndarray] = {}
        self._pending: dict[str, np.ndarray] = {}
        super().__init__(setup)
        states = self.fields[outputs.states[0]].grid
        map_ = drop_date(map_)
        grid = target_grid(setup.target, states, Grid.of(map_, "the prior map"))
        self._target = xr.Dataset(coords=grid.coords())
        placed = put_on_target(map_, grid)
        self._on_target = _select_pixels(placed, grid)
        fractions = prior_fractions(placed, states, outputs)
        self._known["own"] = np.ascontiguousarray(fractions.values)

    def check(self, setup: Setup) -> None:
        """Refuse unknown options."""
        check_options(setup, {**OPTIONS, "demand": "change"})
        check_demand(setup.options.get("demand", "change"))

    def list_fields(self) -> dict[str, StepField]:
        """Return the states of a step, and what else of it the emulator reads."""
        fields = {}
        for spec in self.setup.card.of_role("dynamic"):
            if spec.name in (STEP_YEARS, CLIPPED) or spec.name.endswith(PRIOR_SUFFIX):
                continue
            grid = self.setup.find_grid(spec.name)
            fields[spec.name] = StepField.of(spec, grid)
        return fields

    @property
    def template(self) -> xr.Dataset:
        """Inputs of the card that change, and the prior map."""
        states = self.fields[self.outputs.states[0]].grid
        found: dict[str, Any] = {}
        for spec in self.setup.card.of_role("dynamic"):
            own = self.fields.get(spec.name.removesuffix(PRIOR_SUFFIX))
            found[spec.name] = make_placeholder(spec, states if own is None else own.grid)
        return xr.Dataset(found).assign({self.outputs.prior: self._on_target})

    @property
    def target(self) -> xr.Dataset:
        """The grid of the outputs."""
        return self._target

    def options(self, bound: Bound) -> dict[str, Any]:
        """Return the options of the head."""
        return {name: self.setup.options.get(name, value) for name, value in OPTIONS.items()}

    def prepare(self, data: xr.Dataset) -> xr.Dataset:
        """Return a dataset with the states of HILDA+'s legend, if the emulator reads these."""
        return form_own_states(data, self.outputs)

    @property
    def prior(self) -> dict[str, np.ndarray]:
        """The prior map as it was given, on the pixels of the outputs."""
        return {self.outputs.prior: self._on_target.values}

    def remember(self, fields: Mapping[str, np.ndarray], date: Date | None) -> None:
        """Take the states of the prior map's year."""
        if self.form(fields, date) is not None:
            raise InputError(
                f"history= goes beyond {self.start}, the prior map's year; give this year alone"
            )
        self.accept({self.outputs.name: self._on_target.values})

    def form(
        self, fields: Mapping[str, np.ndarray], date: Date | None
    ) -> dict[str, np.ndarray] | None:
        """Return the inputs of a year, or None in the prior map's own year."""
        if date is None:
            raise InputError("a step without time=, expected the year of the states")
        if "first" not in self._known:
            if date.year != self.start:
                raise InputError(
                    f"the first step is of {date.year}, expected {self.start}, the prior map's "
                    f"year; give that year's states first, or as history="
                )
            self._pending = self._demand(fields, date.year)
            return None
        steps = Steps([self.year, date.year], {1: 0})
        check_steps(steps, self.outputs, self.setup.card.name)
        if date.year == self.year:
            raise InputError(f"{date.year} was the last step already; give the next year")
        self._pending = self._demand(fields, date.year)
        length = np.float32(date.year - self.year)
        values: dict[str, np.ndarray] = {}
        for spec in self.setup.card.of_role("dynamic"):
            base = spec.name.removesuffix(PRIOR_SUFFIX)
            if spec.name == STEP_YEARS:
                shape = self.fields[self.outputs.states[0]].shape
                values[spec.name] = np.full(shape, length, np.float32)
            elif base != spec.name:
                values[spec.name] = self._known[f"now.{base}"]
            else:
                values[spec.name] = self._pending[f"now.{spec.name}"]
        return values | {self.outputs.prior: self._known["map"]}

    def accept(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Go on from the map that was made."""
        self.year = int(self._pending["year"][0])
        self._known |= self._pending
        self._known["map"] = outputs[self.outputs.name].copy()  # the model may change what it has
        self._pending = {}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Year and content of the prior map."""
        digest = hashlib.sha256(self._on_target.values.tobytes()).hexdigest()
        return {"prior map": [self.start, digest]}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The map, the states that it follows from, and those of the first year."""
        return dict(self._known)

    @state.setter
    def state(self, values: Mapping[str, np.ndarray]) -> None:
        self._known = dict(values)
        self.year = int(values["year"][0]) if "year" in values else self.start

    def _demand(self, fields: Mapping[str, np.ndarray], year: int) -> dict[str, np.ndarray]:
        """Return what the states of a year demand of its map, and these states."""
        names = list(self.outputs.states)
        states = np.stack([fields[name] for name in names]).astype(np.float32)
        first = self._known.get("first", states)
        made = correct_states(
            np.moveaxis(states, 0, -1),
            np.moveaxis(first, 0, -1),
            np.moveaxis(self._known.get("states", states), 0, -1),
            np.moveaxis(self._known["own"], 0, -1),
            np.array(year),
            np.array(self.year),
            outputs=self.outputs,
            level=self.level,
        )
        demanded = {f"now.{name}": made[..., k] for k, name in enumerate([*names, CLIPPED])}
        others = {f"now.{n}": np.array(v) for n, v in fields.items() if n not in names}
        kept = {"first": first, "states": states, "year": np.array([year])}
        return kept | demanded | others


def _select_pixels(map_: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return a map on the pixels of a grid, of the same resolution; missing beyond the map."""
    own = Grid.of(map_, "the prior map")
    rows, columns = (
        axis.cell_index(other.values) for axis, other in ((own.lat, grid.lat), (own.lon, grid.lon))
    )
    values = map_.transpose(*own.names).values
    picked = values[np.ix_(own.lat.wrap_or_clip(rows), own.lon.wrap_or_clip(columns))]
    inside = own.lat.contains_cells(rows)[:, None] & own.lon.contains_cells(columns)
    coords = Grid(grid.lat, grid.lon, PRIOR_DIMS).coords()
    found = np.where(inside, picked, np.uint8(MISSING_CLASS))
    return xr.DataArray(found, coords, PRIOR_DIMS, map_.name, map_.attrs)
