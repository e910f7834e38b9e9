"""Leaf area, made month by month inside of a model that gives climate and fractions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xai4land.coupling import Setup, StepInputs
from xai4land.coupling.dates import Date
from xai4land.coupling.fields import StepField
from xai4land.coupling.inputs import make_placeholder
from xai4land.emulator import Emulator
from xai4land.emulator.inputs import Bound, value_problems
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.class_steps import check_options
from xai4land_land.leaf.climate import CLIMATE, compute_day_length, is_lag
from xai4land_land.leaf.cover import cover_fractions
from xai4land_land.leaf.emulator import LeafAreaEmulator
from xai4land_land.leaf.inputs import CLIMATE_DIMS
from xai4land_land.leaf.lapse import bring_to_sea_level, find_orography, follow_elevation
from xai4land_land.leaf.outputs import LeafClasses

__all__ = ["LeafInputs"]

OPTIONS = {"lapse_rate": None}
DAY_LENGTHS = ("day_length", "day_length_change")


class LeafInputs(StepInputs):
    """Fractions of classes, climate with its months before, and day length, from each month.

    Fractions may be given in the first step alone, and when they change; climate in every step.
    Arrays are copied when they come, and stay as they are; a month of climate is the same array in
    each step that sees it.
    """

    keeps_arrays = True

    def __init__(self, setup: Setup) -> None:
        emulator = setup.emulator
        assert isinstance(emulator, LeafAreaEmulator)
        self.lapse_rate: float | None = setup.options.get("lapse_rate")
        if self.lapse_rate is not None:
            emulator = follow_elevation(emulator, self.lapse_rate)
        self._emulator, self.card, self.lags = emulator, emulator.card, emulator.card.outputs.lags
        self.month: int | None = None
        self._months: dict[str, tuple[np.ndarray, ...]] = {}
        self._cover: dict[str, np.ndarray] = {}
        self._pending: _State | None = None
        super().__init__(setup)
        self._climate_grid = self.fields["tas"].grid
        self._absent = np.full(self._climate_grid.shape, np.nan, np.float32)
        self._to_sea_level = self._find_sea_level()
        self._daylight: dict[int, tuple[np.ndarray, ...]] = {}

    def check(self, setup: Setup) -> None:
        """Refuse a prior map, unknown options, and steps that are no months."""
        super().check(setup)
        check_options(setup, OPTIONS)
        leaves = setup.card.outputs
        assert isinstance(leaves, LeafClasses)
        if (step := leaves.step) != "month":
            raise InputError(
                f"emulator {setup.card.name!r} gives leaf area of each {step}, and a stepper goes "
                "on by months; call ds.ai4land.leaf_area(climate, emulator), or fit one of months"
            )

    @property
    def emulator(self) -> Emulator:
        """The emulator, with a temperature that falls with elevation if that was asked for."""
        return self._emulator

    def options(self, bound: Bound) -> dict[str, Any]:
        """Return no options: the head has none."""
        return {}

    def list_fields(self) -> dict[str, StepField]:
        """Return temperature, what other climate the emulator reads, and fractions of classes."""
        fields = {}
        for name in self.card.climate:
            standard, units = CLIMATE[name]
            grid = self._find_climate_grid(name)
            main = name == "tas"
            fields[name] = StepField(name, units, grid, standard, needed=main, fillable=not main)
        for name in self.card.outputs.coarse_inputs:
            grid = self._find_cover_grid(name)
            fields[name] = StepField(name, "1", grid, needed=False)
        self._check_grids(fields)
        return fields

    def _find_sea_level(self) -> np.ndarray | None:
        """Return what is added to temperature, from the elevation of the climate's cells."""
        if self.lapse_rate is None:
            return None
        grid, static = self._climate_grid, self.setup.static
        tas = xr.DataArray(
            np.zeros((1, *grid.shape), np.float32),
            {**grid.coords(), "time": np.array(["2000-01-16"], "M8[s]")},
            ("time", *grid.names),
            attrs={"units": CLIMATE["tas"][1]},
        )
        data = find_orography(xr.Dataset() if static is None else static).assign(tas=tas)
        level: np.ndarray = bring_to_sea_level(data, self.lapse_rate, static)["tas"].values[0]
        return level

    def _check_grids(self, fields: Mapping[str, StepField]) -> None:
        """Refuse climate on several grids, and fractions on several."""
        InputError.raise_if(
            f"like= has {name!r} on another grid than {first!r}; regrid one of them"
            for names in (self.card.climate, self.card.outputs.coarse_inputs)
            for first, name in ((names[0], name) for name in names)
            if fields[name].grid != fields[first].grid
        )

    def _find_climate_grid(self, name: str) -> Grid:
        like = self.setup.like
        return self.setup.find_grid(name if name in like else "tas")

    def _find_cover_grid(self, name: str) -> Grid:
        like = self.setup.like
        named = [n for n in (name, "land_cover", *self.card.outputs.coarse_inputs) if n in like]
        return self.setup.find_grid(named[0] if named else name)

    @property
    def template(self) -> xr.Dataset:
        """Inputs of the card that change."""
        found = {}
        for spec in self.card.of_role("dynamic"):
            if spec.name in self.card.outputs.coarse_inputs:
                found[spec.name] = make_placeholder(spec, self.fields[spec.name].grid)
            elif is_lag(spec.name) or spec.name in DAY_LENGTHS:
                grid = self.fields["tas"].grid
                renamed = Grid(grid.lat, grid.lon, CLIMATE_DIMS)
                found[spec.name] = make_placeholder(spec, renamed)
        return xr.Dataset(found)

    def prepare(self, data: xr.Dataset) -> xr.Dataset:
        """Return a dataset with the fractions of a map, if it has one."""
        leaves = self.card.outputs
        there = any(name in data for name in (*leaves.coarse_inputs, *leaves.legend))
        known = {*leaves.coarse_inputs, *leaves.bare, *leaves.legend}
        flagged = {
            name: {*str(array.attrs["flag_meanings"]).split()}
            for name, array in data.data_vars.items()
            if "flag_meanings" in array.attrs
        }
        others = [name for name, classes in flagged.items() if not classes & known]
        if not there and len(others) == len(flagged):
            return data
        return data.assign(cover_fractions(data.drop_vars(others), leaves))

    def remember(self, fields: Mapping[str, np.ndarray], date: Date | None) -> None:
        """Take a month of climate before the first step."""
        self._pending = self._join(fields, date)
        self.accept({})

    def form(self, fields: Mapping[str, np.ndarray], date: Date | None) -> dict[str, np.ndarray]:
        """Return climate of the last months, day length and fractions."""
        self._pending = month, months, cover = self._join(fields, date)
        problems = []
        if (known := len(months["tas"])) < self.lags:
            problems.append(
                f"{known} months of climate are known, the step's included, expected {self.lags}; "
                f"give the {self.lags - known} months before as history="
            )
        if absent := [name for name in self.card.outputs.coarse_inputs if name not in cover]:
            problems.append(
                f"no fractions {', '.join(absent)}; the first step must have those of all classes"
            )
        InputError.raise_if(problems)
        values = dict(cover)
        for name in self.card.climate:
            series = months.get(name)
            for lag in range(self.lags):
                values[f"{name}_lag_{lag}"] = self._absent if series is None else series[-1 - lag]
        values |= zip(DAY_LENGTHS, self._find_daylight(month), strict=True)
        wanted = {spec.name for spec in self.card.of_role("dynamic")}
        return {name: value for name, value in values.items() if name in wanted}

    def _find_daylight(self, month: int) -> tuple[np.ndarray, ...]:
        """Return day length and its change on the grid of the climate, made once for each month."""
        if month % 12 not in self._daylight:
            lat = self._climate_grid.lat.values
            now, before = (compute_day_length(lat, np.array([month - k]))[0] for k in (0, 1))
            self._daylight[month % 12] = tuple(
                np.broadcast_to(hours.astype(np.float32)[:, None], self._climate_grid.shape)
                for hours in (now, now - before)
            )
        return self._daylight[month % 12]

    def accept(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Go on from the month that was made."""
        assert self._pending is not None
        self.month, self._months, self._cover = self._pending
        self._pending = None

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The last months of climate, the fractions, and the month."""
        found = {f"months.{name}": np.stack(values) for name, values in self._months.items()}
        found |= {f"cover.{name}": values for name, values in self._cover.items()}
        return found if self.month is None else found | {"month": np.array([self.month])}

    @state.setter
    def state(self, values: Mapping[str, np.ndarray]) -> None:
        parts: dict[str, dict[str, np.ndarray]] = {"months": {}, "cover": {}}
        for name, array in values.items():
            part, _, rest = name.partition(".")
            if rest:
                parts[part][rest] = array
        self._months = {name: tuple(array) for name, array in parts["months"].items()}
        self._cover = parts["cover"]
        self.month = int(values["month"][0]) if "month" in values else None

    def _check_values(self, name: str, fields: Mapping[str, np.ndarray]) -> list[str]:
        """List what is wrong with the values of a month of climate."""
        if name not in fields:
            return []
        spec = next(s for s in self.card.inputs if s.name == f"{name}_lag_0")
        return value_problems(spec.model_copy(update={"name": name}), fields[name])

    def _join(self, fields: Mapping[str, np.ndarray], date: Date | None) -> _State:
        """Return month, climate and fractions with those of a step; nothing is kept yet."""
        if date is None:
            raise InputError("a step without time=, expected the month of the climate")
        if self._to_sea_level is not None and "tas" in fields:
            tas = fields["tas"]
            fields = {**fields, "tas": (tas + self._to_sea_level).astype(tas.dtype)}
        problems = []
        if self.month is not None and date.months != self.month + 1:
            year, month = divmod(self.month, 12)
            problems.append(
                f"a step of {date.year:04d}-{date.month:02d} after {year:04d}-{month + 1:02d}, "
                "expected the month after; give every month once"
            )
        months: dict[str, tuple[np.ndarray, ...]] = {}
        for name in self.card.climate:
            before = self._months.get(name)
            problems += self._check_values(name, fields)
            if name not in fields:
                if before is not None:
                    problems.append(f"no field {name!r}, which the steps before had; give it")
                continue
            if before is None and self.month is not None:
                problems.append(f"field {name!r} was not in the steps before; leave it out")
                continue
            months[name] = (*(before or ()), np.array(fields[name]))[-self.lags :]
        InputError.raise_if(problems)
        cover = {
            name: np.array(fields[name])
            for name in self.card.outputs.coarse_inputs
            if name in fields and not _is_same(self._cover.get(name), fields[name])
        }
        return _State(date.months, months, {**self._cover, **cover})


class _State(NamedTuple):
    """What steps remember: the last month, the months of climate, and the fractions."""

    month: int
    months: dict[str, tuple[np.ndarray, ...]]
    cover: dict[str, np.ndarray]


def _is_same(before: np.ndarray | None, now: np.ndarray) -> bool:
    return before is not None and np.array_equal(before, now, equal_nan=True)
