"""An emulator behind the Basic Model Interface 2.0, as frameworks of CSDMS and NextGen call it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.coupling.bmi_grids import BmiGrids
from xai4land.coupling.clock import Clock
from xai4land.coupling.fields import read_numbers
from xai4land.coupling.run_file import RunFile
from xai4land.coupling.stepper import Stepper
from xai4land.errors import CouplingError, InputError
from xai4land.grids.grid import Grid

__all__ = ["BmiEmulator"]


@dataclass(frozen=True)
class _Variable:
    """A variable of the interface: a buffer of one layer, from the south-west corner."""

    name: str
    grid: int
    units: str
    values: npt.NDArray[Any]
    output: str = ""
    layer: tuple[int, ...] = ()
    needed: bool = True


class BmiEmulator(BmiGrids):
    """An emulator of maps with the Basic Model Interface (BMI 2.0).

    ``initialize`` takes a YAML, TOML or JSON file; see :class:`xai4land.coupling.RunFile`. Fields
    of a step are the input variables; each layer of an output (a class, a member) is an output
    variable. Values are flat arrays whose rows run from the south and columns from the west;
    shape, spacing and origin are (y, x). Grids are ``uniform_rectilinear`` where spacings are
    equal, else ``rectilinear``. Time is in days since the start of the run, in its calendar, and
    each step is a year, a month or a day long, so that ``get_time_step`` is that of the next step.

    Notes
    -----
    An update takes the input variables as of the beginning of its step. Before the first one all
    values are NaN (inputs and outputs of floats) or 255 (maps of classes).

    Examples
    --------
    >>> model = BmiEmulator()
    >>> model.get_component_name()
    'xai4land emulator'
    """

    def __init__(self) -> None:
        self._stepper: Stepper | None = None
        self._file: RunFile | None = None
        self._clock: Clock
        self._step = 0
        self._grids: list[Grid] = []
        self._inputs: dict[str, _Variable] = {}
        self._outputs: dict[str, _Variable] = {}
        self._given: set[str] = set()

    # Running

    def initialize(self, config_file: str) -> None:
        """Make the emulator from a file of settings; go on from its checkpoint if there is one."""
        self._file = RunFile.read(config_file)
        self._clock = self._file.clock
        self._stepper = self._file.make_stepper()
        self._step = self._file.count_done(self._stepper.time)
        self._grids, self._given = [], set()
        self._inputs = {
            name: _Variable(
                name,
                self._number(spec.grid),
                spec.units,
                np.full(spec.grid.shape[0] * spec.grid.shape[1], np.nan),
                needed=spec.needed,
            )
            for name, spec in self._stepper.inputs.items()
        }
        self._outputs = {}
        target = self._number(self._stepper.grid)
        size = self._stepper.grid.shape[0] * self._stepper.grid.shape[1]
        for output in self._stepper.outputs.values():
            fill = np.nan if np.dtype(output.dtype).kind == "f" else 255
            for layer in itertools.product(*(range(n) for n in output.shape)):
                labels = [
                    str(dimension.values[k])
                    for dimension, k in zip(output.leading, layer, strict=True)
                ]
                name = "_".join([output.name, *labels])
                units = str(output.attrs.get("units", "1"))
                values = np.full(size, fill, output.dtype)
                self._outputs[name] = _Variable(name, target, units, values, output.name, layer)

    def update(self) -> None:
        """Make one step.

        Raises
        ------
        CouplingError
            If the run has ended, or an input was never set.
        InputError
            Listing what is wrong with the inputs; the step can be made again.
        """
        stepper = self._running
        self._clock.check(self._step)
        if absent := [n for n, v in self._inputs.items() if v.needed and n not in self._given]:
            raise CouplingError(f"never set: {', '.join(absent)}; set_value(name, values) first")
        fields = {
            name: self._to_model(variable)
            for name, variable in self._inputs.items()
            if name in self._given
        }
        outputs: Mapping[str, np.ndarray] = stepper.step(fields, self._clock.date(self._step))
        for variable in self._outputs.values():
            values = outputs[variable.output][variable.layer]
            variable.values[:] = self._from_south(values, self._grids[variable.grid]).ravel()
        self._step += 1

    def update_until(self, time: float) -> None:
        """Make steps until a time, which must be the end of a step."""
        _ = self._running
        ahead = self._step
        while ahead < self._clock.steps and self._clock.days(ahead) < time - 1e-6:
            ahead += 1
        if not abs(self._clock.days(ahead) - time) <= 1e-6:
            raise InputError(
                f"update_until({time:g}) is not the end of a step, expected e.g. "
                f"{self._clock.days(ahead):g} ({self._clock.date(ahead)})"
            )
        while self._step < ahead:
            self.update()

    def finalize(self) -> None:
        """Write the checkpoint, if the settings name one, and let go of everything."""
        if self._stepper is not None and self._file is not None and self._step:
            path = self._file.checkpoint_path
            if path is not None:
                self._stepper.checkpoint(path)
        self.__init__()  # type: ignore[misc]

    @property
    def _running(self) -> Stepper:
        if self._stepper is None:
            raise CouplingError("the model is not initialised; call initialize(config_file) first")
        return self._stepper

    def _number(self, grid: Grid) -> int:
        """Return the number of a grid."""
        if grid not in self._grids:
            self._grids.append(grid)
        return self._grids.index(grid)

    @staticmethod
    def _from_south(values: np.ndarray, grid: Grid) -> np.ndarray:
        return values if grid.ascending else values[::-1]

    def _to_model(self, variable: _Variable) -> np.ndarray:
        """Return a buffer as rows and columns of its grid."""
        grid = self._grids[variable.grid]
        return self._from_south(variable.values.reshape(grid.shape), grid)

    def _find(self, name: str) -> _Variable:
        _ = self._running
        found = self._inputs.get(name) or self._outputs.get(name)
        if found is None:
            known = ", ".join([*self._inputs, *self._outputs])
            raise InputError(f"no variable {name!r}, expected one of {known}")
        return found

    # Variables

    def get_component_name(self) -> str:
        """Return what it is."""
        if self._stepper is None:
            return "xai4land emulator"
        return f"xai4land emulator {self._stepper.emulator.card.name}"

    def get_input_item_count(self) -> int:
        """Return the number of input variables."""
        return len(self._inputs)

    def get_output_item_count(self) -> int:
        """Return the number of output variables."""
        return len(self._outputs)

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the names of the fields that a step takes."""
        return tuple(self._inputs)

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the names of the layers of outputs that a step gives."""
        return tuple(self._outputs)

    def get_var_grid(self, name: str) -> int:
        """Return the number of a variable's grid."""
        return self._find(name).grid

    def get_var_type(self, name: str) -> str:
        """Return numpy's name of a variable's type."""
        return str(self._find(name).values.dtype)

    def get_var_units(self, name: str) -> str:
        """Return the units as UDUNITS has them."""
        return self._find(name).units

    def get_var_itemsize(self, name: str) -> int:
        """Return the bytes of a value."""
        return self._find(name).values.itemsize

    def get_var_nbytes(self, name: str) -> int:
        """Return the bytes of a variable."""
        return self._find(name).values.nbytes

    def get_var_location(self, name: str) -> str:
        """Return where values lie: on nodes, which are the centres of cells."""
        _ = self._find(name)
        return "node"

    # Time

    def get_start_time(self) -> float:
        """Return the start of the run, 0."""
        return 0.0

    def get_current_time(self) -> float:
        """Return the days from the start of the run to the step that comes next."""
        _ = self._running
        return self._clock.days(self._step)

    def get_end_time(self) -> float:
        """Return the days from the start of the run to the end of its last step."""
        _ = self._running
        return self._clock.days(self._clock.steps)

    def get_time_units(self) -> str:
        """Return the units of time."""
        return "d"

    def get_time_step(self) -> float:
        """Return the days of the step that comes next; years and months differ in length."""
        _ = self._running
        return self._clock.days(self._step + 1) - self._clock.days(self._step)

    # Values

    def get_value(self, name: str, dest: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Copy a variable into an array that the caller brings."""
        values = self._find(name).values
        if dest.size != values.size:
            raise InputError(f"{dest.size} places for {name!r}, expected {values.size}")
        dest[...] = values.reshape(dest.shape)
        return dest

    def get_value_ptr(self, name: str) -> npt.NDArray[Any]:
        """Return the buffer of a variable itself, which stays the same during the run.

        An input may be written through it, and counts as set from then on.
        """
        found = self._find(name)
        if name in self._inputs:
            self._given.add(name)
        return found.values

    def get_value_at_indices(
        self, name: str, dest: npt.NDArray[Any], inds: npt.NDArray[np.int_]
    ) -> npt.NDArray[Any]:
        """Copy some values of a variable."""
        values = self._find(name).values
        dest[...] = values[_check_indices(name, inds, values.size)]
        return dest

    def set_value(self, name: str, src: npt.NDArray[Any]) -> None:
        """Set an input variable from an array with as many values.

        Raises
        ------
        InputError
            If it is no input, or has another number of values.
        """
        found, src = self._find_input(name), read_numbers(src, f"values for {name!r} are")
        if src.size != found.values.size:
            raise InputError(
                f"{src.size} values for {name!r}, expected {found.values.size}: (rows, columns) = "
                f"{self._grids[found.grid].shape}, from the south"
            )
        found.values[:] = src.ravel()
        self._given.add(name)

    def set_value_at_indices(
        self, name: str, inds: npt.NDArray[np.int_], src: npt.NDArray[Any]
    ) -> None:
        """Set some values of an input variable."""
        found = self._find_input(name)
        places = _check_indices(name, inds, found.values.size)
        found.values[places] = read_numbers(src, f"values for {name!r} are")
        self._given.add(name)

    def _find_input(self, name: str) -> _Variable:
        found = self._find(name)
        if name not in self._inputs:
            raise InputError(f"{name!r} is an output, expected one of {', '.join(self._inputs)}")
        return found


def _check_indices(name: str, inds: Any, size: int) -> npt.NDArray[np.int_]:
    """Refuse places beyond a variable, and negative ones."""
    places = np.asarray(inds)
    if places.size and not (places.min() >= 0 and places.max() < size):
        raise InputError(f"indices of {name!r} are not all within 0 to {size - 1}")
    return places
