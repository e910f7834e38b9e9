"""An emulator that a running model calls step by step, with arrays in memory."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from xai4land import discovery
from xai4land.coupling.dates import Date, find_date, move_step_into_bounds, read_date
from xai4land.coupling.domain import Domain
from xai4land.coupling.fields import Fields, StepField, read_fields
from xai4land.coupling.inputs import Setup, StepInputs
from xai4land.coupling.state import read_state, write_state
from xai4land.device import Precision
from xai4land.emulator import Emulator, load_emulator
from xai4land.emulator.inputs import bind, scalar_dates, time_name
from xai4land.errors import CouplingError, InputError
from xai4land.grids import cf
from xai4land.grids.grid import Target
from xai4land.grids.time import move_into_bounds, refuse_lost_bounds
from xai4land.heads.outputs import Output, to_dataset
from xai4land.inference.apply import describe_origin
from xai4land.inference.plan import check_batch_size

__all__ = ["Stepper"]


class Stepper:
    """An emulator on one domain, which a running model calls step by step.

    A step takes and gives arrays in memory; there is no graph and there are no files. What does not
    change is made once: the network, static features on pixels, the geometry. Numbers are the
    same as those of ``reconstruct`` and ``leaf_area`` with ``precision="float32"``.

    Parameters
    ----------
    emulator : str, path-like or Emulator
        A bundled emulator's name, a file, or an emulator, of classes (with or without a prior
        map), numbers or leaf area.
    like : Dataset
        On which grids the fields of a step lie: variables by their names, or the coordinates
        alone where all share one grid. Values do not matter.
    static : Dataset, optional
        Static features of the emulator's card.
    target : float, Dataset or DataArray, optional
        The grid of the outputs, as of ``reconstruct``.
    prior : Dataset or DataArray, optional
        Map of a known year with flags and a date, for emulators that change it. The first step, or
        the history, is that year's; the step's answer is the map itself.
    history : Dataset, optional
        Steps before the first one, along time, with the fields of a step: the eleven months of
        climate before for leaf area, the prior map's year for an emulator that changes it.
    units : mapping from str to str, optional
        Units of plain arrays by field, where they are not those of the card.
    device : str
        ``"cpu"``, ``"cuda"``, ... or ``"auto"``.
    precision : {"float32", "bfloat16", "auto"}
    batch_size : int
        Windows that the network sees at once. The result does not depend on it.
    **options
        Options of the outputs as of ``reconstruct``, such as ``probabilities=True``,
        ``areas="exact"``, or ``demand=`` and ``exchange=`` with a prior map.

    Attributes
    ----------
    grid : Grid
        Where the outputs lie; rows run as those of ``target``.
    time : Date or None
        Of the last step.

    Raises
    ------
    InputError
        Listing everything that does not fit the emulator.

    Notes
    -----
    One stepper serves one thread: a call during another one is refused. Steps of one stepper are
    deterministic, and a step that fails leaves it as it was.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000, 2001])
    >>> states = planet.drop_dims(["y", "x"], errors="ignore")
    >>> stepper = Stepper("sample-landcover", planet, static=planet)
    >>> maps = stepper.step({name: planet[name][0].values for name in stepper.inputs}, time=2000)
    >>> maps["land_cover"].shape, maps["land_cover"].dtype
    ((720, 1440), dtype('uint8'))
    """

    def __init__(
        self,
        emulator: str | os.PathLike[str] | Emulator,
        like: xr.Dataset,
        *,
        static: xr.Dataset | None = None,
        target: Target = None,
        prior: xr.Dataset | xr.DataArray | None = None,
        history: xr.Dataset | None = None,
        units: Mapping[str, str] | None = None,
        device: str = "cpu",
        precision: Precision = "float32",
        batch_size: int = 8,
        **options: Any,
    ) -> None:
        found = load_emulator(emulator)
        if not isinstance(found, Emulator):
            raise InputError(
                f"emulator {found.card.name!r} gives {found.card.gives}, which a step cannot be "
                "made of: a forecast needs all years before it; keep the model's months in a "
                "dataset, and call ds.seasonal.forecast(...)"
            )
        if not isinstance(like, xr.Dataset):
            raise InputError(
                f"like= is a {type(like).__name__}, expected a Dataset on the grid of the fields"
            )
        batch_size = check_batch_size(batch_size)
        make_inputs = _find_step_inputs(found.card.outputs.kind)
        setup = Setup(found, like, static, target, prior, options)
        self._inputs: StepInputs = make_inputs(setup)
        found = self._inputs.emulator
        self.units = _check_units(units or {}, self._inputs.fields)
        template = self._inputs.template
        bound = bind(found.card, template, static, self._inputs.target)
        self._domain = Domain(
            found,
            bound,
            [str(name) for name in template],
            same=self._inputs.keeps_arrays,
            device=device,
            precision=precision,
            batch_size=batch_size,
            options=self._inputs.options(bound),
        )
        self.emulator, self.grid = found, bound.target
        self.time: Date | None = None
        self._source = like
        self._missing: dict[str, np.ndarray] = {}
        self._options = {name: repr(value) for name, value in sorted(options.items())}
        self._busy = threading.Lock()
        if history is not None:
            self._take_history(history)

    @property
    def inputs(self) -> dict[str, StepField]:
        """What a step takes, by name: units, grid and shape of each field."""
        return {
            name: replace(spec, units=self.units.get(name, spec.units))
            for name, spec in self._inputs.fields.items()
        }

    @property
    def outputs(self) -> dict[str, Output]:
        """What a step gives, by name: type, attributes and leading dimensions of each."""
        return {output.name: output for output in self._domain.head.outputs}

    def step(self, fields: Fields, time: Any = None) -> Any:
        """Make the outputs of one step.

        Parameters
        ----------
        fields : mapping from str to ndarray, or Dataset
            What :attr:`inputs` lists, shape (rows, columns) each; or a dataset of one step, whose
            units are converted.
        time : int, str or date, optional
            Year or date of the step; that of a dataset by default. Emulators that go on from
            earlier steps need it.

        Returns
        -------
        dict of ndarray, or Dataset
            What :attr:`outputs` lists: arrays (leading dimensions, rows, columns) for arrays, a
            CF dataset for a dataset.

        Raises
        ------
        InputError
            Listing everything that is wrong with the fields or the date; the stepper is as it was.
        CouplingError
            If another thread is in a step of this stepper.
        """
        with self._exclusive():
            if isinstance(fields, xr.Dataset):
                fields = move_step_into_bounds(fields)
            date = self._read_date(fields, time)
            arrays, missing = self._read(fields)
            values = self._inputs.form(arrays, date)
            if values is None:
                outputs = self._domain.repeat(self._inputs.prior)
            else:
                outputs = self._domain.run(values)
            found: Any = outputs
            if isinstance(fields, xr.Dataset):
                found = self._describe(outputs, fields, date)
            self._inputs.accept(outputs)
            self._missing = missing | self._missing
            self.time = date or self.time
        return found

    def checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write the state of the stepper to a file (safetensors); an older one is replaced.

        Raises
        ------
        StoreError
            If it cannot be written; an older file is intact then.
        """
        with self._exclusive():
            state = {f"state.{name}": value for name, value in self._inputs.state.items()}
            state |= {f"missing.{name}": value for name, value in self._missing.items()}
            write_state(path, state, {**self._facts, "time": self.time})

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Go on from a file that :meth:`checkpoint` wrote, as if there had been no interruption.

        The stepper must be made as the first one was, but for its history.

        Raises
        ------
        CouplingError
            If the file is absent or damaged.
        InputError
            If it is of another emulator, grid or options.
        """
        with self._exclusive():
            arrays, facts = read_state(path, self._facts)
            parts: dict[str, dict[str, np.ndarray]] = {"state": {}, "missing": {}}
            for name, value in arrays.items():
                part, _, rest = name.partition(".")
                parts[part][rest] = value
            self._inputs.state = parts["state"]
            self._missing = parts["missing"]
            self.time = None if facts["time"] is None else Date(*facts["time"])

    @property
    def _facts(self) -> dict[str, Any]:
        """What two steppers must share for one to go on from the other."""
        digest = hashlib.sha256()
        for grid in (self.grid, *(spec.grid for spec in self._inputs.fields.values())):
            for axis in (grid.lat, grid.lon):
                digest.update(np.ascontiguousarray(axis.values).tobytes())
        return {
            "emulator": self.emulator.sha256,
            "grid": digest.hexdigest(),
            "options": self._options,
            "static features": self._domain.fixed_digest,
            **self._inputs.facts,
        }

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise CouplingError(
                "the stepper is in a step already; make one stepper for each thread"
            )
        try:
            yield
        finally:
            self._busy.release()

    def _take_history(self, history: xr.Dataset) -> None:
        """Remember the steps of a history, in order."""
        if not isinstance(history, xr.Dataset):
            raise InputError(
                f"history= is a {type(history).__name__}, expected a Dataset along time"
            )
        history = move_into_bounds(history)
        fields = [n for n in history.data_vars if n in self._inputs.fields]
        name = next((found for n in fields if (found := time_name(history[n]))), None)
        if name is None:
            raise InputError(
                f"history= has no {', '.join(self._inputs.fields)} along a time axis; "
                "give the steps before the first one"
            )
        refuse_lost_bounds(history, name)
        for number in range(history.sizes[name]):
            here = history.isel({name: number})
            date = self._read_date(here, None)
            arrays, missing = self._read(here)
            self._inputs.remember(arrays, date)
            self._missing = missing | self._missing
            self.time = date or self.time

    def _read_date(self, fields: Fields, time: Any) -> Date | None:
        """Return the date of a step, which is later or earlier than the last, never the same."""
        if time is None and isinstance(fields, xr.Dataset):
            time = find_date(fields)
        date = None if time is None else read_date(time)
        if date is not None and date == self.time:
            raise InputError(f"time={time!r} was the last step already; give the next one")
        return date

    def _read(self, fields: Fields) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the checked arrays of a step, and where the unfillable ones are missing."""
        if isinstance(fields, xr.Dataset):
            fields = self._inputs.prepare(fields)
        elif not isinstance(fields, Mapping):
            raise InputError(
                f"fields are a {type(fields).__name__}, expected a mapping from names to arrays, "
                f"or a Dataset, of {', '.join(self._inputs.fields)}"
            )
        arrays = read_fields(self._inputs.fields, fields, self.units)
        missing = {
            name: _find_missing(values)
            for name, values in arrays.items()
            if not self._inputs.fields[name].fillable
        }
        InputError.raise_if(
            f"field {name!r} has no value at all; check how the model fills it"
            for name, mask in missing.items()
            if mask.all()
        )
        InputError.raise_if(
            f"field {name!r} has {int(count)} missing values that it had not in the first step; "
            "check the model's state, and give values there"
            for name, mask in missing.items()
            if name in self._missing and (count := (mask & ~self._missing[name]).sum())
        )
        return arrays, missing

    def _describe(
        self, outputs: Mapping[str, np.ndarray], fields: xr.Dataset, date: Date | None
    ) -> xr.Dataset:
        """Return the outputs as a CF dataset, with the date of the step."""
        coords: dict[str, Any] = cf.grid_coords(self.grid)
        single = fields.squeeze([n for n in fields.dims if fields.sizes[n] == 1])
        dates = [str(name) for name in scalar_dates(single) if name not in outputs]
        coords |= {name: single[name].variable for name in dates}
        if not dates and date is not None:
            coords["time"] = np.datetime64(str(date), "s")
        mapping = cf.geographic_mapping(self._source)
        coords[str(mapping.name)] = mapping
        head = self._domain.head
        attrs = describe_origin(self.emulator, head, fields, "stepped")
        return to_dataset(head.outputs, outputs, self.grid.names, coords, attrs)


def _find_step_inputs(kind: str) -> type[StepInputs]:
    """Return what forms the inputs of a kind of outputs."""
    if kind in discovery.names("step_inputs"):
        found: type[StepInputs] = discovery.load("step_inputs", kind)
        return found
    return StepInputs


def _check_units(units: Mapping[str, str], fields: Mapping[str, StepField]) -> dict[str, str]:
    """Refuse units of unknown fields, and those that cannot be converted."""
    if not isinstance(units, Mapping) or not all(isinstance(u, str) for u in units.values()):
        raise InputError(f"units={units!r}, expected names of fields with units: {{'tas': 'degC'}}")
    problems = [
        f"units= names {name!r}, which is none of {', '.join(fields)}"
        for name in units
        if name not in fields
    ]
    for name in fields.keys() & units.keys():
        spec = fields[name]
        try:
            read_fields({name: spec}, {name: np.zeros(spec.shape, np.float32)}, units)
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    return dict(units)


def _find_missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f":
        return np.zeros(values.shape, bool)
    return np.asarray(np.isnan(values))
