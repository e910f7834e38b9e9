"""A component of YAC: its grids and fields, and their exchange without endless waiting."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xai4land.coupling.clock import Clock
from xai4land.coupling.dates import Date, read_date
from xai4land.coupling.yac.couplings import ISO_STEPS, step_fits
from xai4land.coupling.yac.ports import Port, Vertices
from xai4land.coupling.yac.settings import YacSettings, name_calendar
from xai4land.errors import CouplingError, InputError
from xai4land.grids.grid import Grid

__all__ = ["YacComponent", "import_yac"]

LONGEST_PAUSE = 0.05
"""Seconds between two looks for a field."""


def import_yac() -> Any:
    """Return the module yac, which must know the calendars apart.

    Raises
    ------
    InputError
        If it, or its MPI, is not there.
    """
    try:
        import yac
    except (ImportError, OSError) as error:
        raise InputError(
            f"YAC cannot be loaded ({error}); pip install 'xai4land[yac]', and Open MPI (Debian's "
            "openmpi-bin), with which its wheel is built"
        ) from None
    if yac.Calendar.YEAR_OF_360_DAYS == yac.Calendar.YEAR_OF_365_DAYS:
        raise InputError(
            "this YAC takes a year of 360 days for one of 365; pip install -U 'xai4land[yac]'"
        )
    return yac


class YacComponent:
    """The emulator as YAC sees it.

    Parameters
    ----------
    settings : YacSettings
    clock : Clock
    inputs, outputs : sequence of Port
    pixels : Grid
        Where the outputs lie; the other fields lie on the cells.
    like : Dataset
        With bounds of cells, if they have any.
    couplings : Path or None
        File of YAC that this component reads.

    Raises
    ------
    CouplingError
        If a field is in no coupling, or another component's steps do not meet the emulator's.
    """

    def __init__(
        self,
        settings: YacSettings,
        clock: Clock,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        *,
        pixels: Grid,
        like: xr.Dataset,
        couplings: Path | None = None,
    ) -> None:
        self.settings, self.clock = settings, clock
        self.inputs, self.outputs = inputs, outputs
        self._pixels, self._like = pixels, like
        self._yac = yac = import_yac()
        yac.def_calendar(yac.Calendar[name_calendar(clock)])
        self._run = yac.YAC()
        self._component = self._run.def_comp(settings.component)
        self._check_processes()
        self._run.def_datetime(_format(clock.start), _format(clock.end))
        self._fields = self._define_fields()
        if couplings is not None:
            self._run.read_config_yaml(str(couplings))
        self._run.sync_def()
        self._describe_fields()
        self._run.enddef()
        self._check_couplings()

    def receive(self, date: Date) -> dict[str, np.ndarray]:
        """Return the inputs of a date; NaN where no cell of the other grid overlaps.

        Raises
        ------
        CouplingError
            If a field does not come, or is not exchanged at this date.
        """
        arrived = {}
        for port in self.inputs:
            field = self._fields[port.field]
            self._check_exchange(field, port, date)
            buffer = np.full((port.size, int(field.size)), np.nan)
            arrived[port.field], _ = field.get(buffer, asyn=True)
        made: dict[str, np.ndarray] = {}
        for port in self.inputs:
            self._wait(port, date, "comes")
            made |= port.unpack(arrived[port.field])
        return made

    def give(self, outputs: Mapping[str, np.ndarray], date: Date) -> None:
        """Give the outputs at a date.

        Raises
        ------
        CouplingError
            If those before were not taken, or a field is not exchanged at this date.
        """
        for port in self.outputs:
            field = self._fields[port.field]
            self._wait(port, date, "given before is taken")
            self._check_exchange(field, port, date)
            field.put(*port.pack(outputs))

    def finish(self) -> None:
        """Wait until all that was given is taken, and leave the coupled run."""
        for port in self.outputs:
            self._wait(port, self.clock.end, "given last is taken")
        self._run.cleanup()

    def _check_processes(self) -> None:
        if self._component.size > 1:
            raise CouplingError(
                f"component {self.settings.component!r} has {self._component.size} processes, "
                "expected one: mpirun -n 1 python -m xai4land.coupling.yac ..."
            )

    def _define_fields(self) -> dict[str, Any]:
        """Define the grids and the fields on them."""
        yac, made, points = self._yac, {}, {}
        for port in (*self.inputs, *self.outputs):
            name = self._name_grid(port.grid)
            if name not in points:
                like = None if port.grid == self._pixels else self._like
                points[name] = _define_points(yac, name, Vertices.of(port.grid, like))
            made[port.field] = yac.Field.create(
                port.field,
                self._component,
                points[name],
                port.size,
                ISO_STEPS[self.clock.unit],
                yac.TimeUnit.ISO_FORMAT,
            )
        for port in self.outputs:
            if port.kind == "numbers":
                self._run.enable_field_frac_mask(
                    self.settings.component, self._name_grid(port.grid), port.field, np.nan
                )
        return made

    def _describe_fields(self) -> None:
        """Tell other components what the values are."""
        for port in (*self.inputs, *self.outputs):
            self._run.def_field_metadata(*self._address(port), port.about.encode())

    def _check_couplings(self) -> None:
        """Refuse fields that nothing comes to or goes from, and steps that never meet ours."""
        role = self._yac.ExchangeType
        problems = []
        for ports, wanted in ((self.inputs, role.TARGET), (self.outputs, role.SOURCE)):
            problems += [
                f"field {port.field!r} of component {self.settings.component!r} on grid "
                f"{self._name_grid(port.grid)!r} is the {wanted.name.lower()} of no coupling; add "
                "it to YAC's file of couplings, or leave it out of yac:"
                for port in ports
                if self._fields[port.field].role != wanted
            ]
        for port in () if problems else self.inputs:
            source = self._run.get_field_source(*self._address(port))
            step = self._run.get_field_timestep(*source)
            if not step_fits(step, self.clock):
                problems.append(
                    f"component {source[0]!r} gives {source[2]!r} every {step}, which does not "
                    f"meet each {self.clock.unit} of the emulator (calendar "
                    f"{self.clock.calendar!r}); give it at steps that divide this one"
                )
        if problems:
            raise CouplingError("; ".join(problems))

    def _address(self, port: Port) -> tuple[str, str, str]:
        return self.settings.component, self._name_grid(port.grid), port.field

    def _name_grid(self, grid: Grid) -> str:
        return f"{self.settings.grid}_{'pixels' if grid == self._pixels else 'cells'}"

    def _check_exchange(self, field: Any, port: Port, date: Date) -> None:
        """Refuse an exchange that YAC would leave out, or make at another date."""
        action, actions = field.action, self._yac.Action
        if action == actions.OUT_OF_BOUND:
            raise CouplingError(
                f"the coupled run ended at {self._run.end_datetime}, and the emulator is at "
                f"{date}; give both the same end"
            )
        if read_date(field.datetime) != date:
            raise CouplingError(
                f"YAC exchanges field {port.field!r} at {field.datetime}, the emulator at {date}; "
                "leave lags out of the couplings of its fields"
            )
        if action not in (actions.COUPLING, actions.GET_FOR_RESTART, actions.PUT_FOR_RESTART):
            raise CouplingError(
                f"field {port.field!r} is not exchanged at {date} ({action.name}); set its "
                f"coupling_period to {ISO_STEPS[self.clock.unit]}"
            )

    def _wait(self, port: Port, date: Date, what: str) -> None:
        """Wait for a field, not for ever: a component that has ended gives no sign of it."""
        field, pause = self._fields[port.field], 1e-4
        end = time.monotonic() + self.settings.timeout
        while not field.test():
            if time.monotonic() > end:
                raise CouplingError(
                    f"no field {port.field!r} {what} at {date} in {self.settings.timeout:g} s; the "
                    "other component has ended early, or waits for a field itself (then set lag: "
                    "1), or needs longer (set timeout:)"
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _define_points(yac: Any, name: str, vertices: Vertices) -> Any:
    grid = yac.Reg2dGrid(name, vertices.lon, vertices.lat, cyclic=[vertices.cyclic, False])
    return grid.def_points(yac.Location.CELL, *vertices.centres)


def _format(date: Date) -> str:
    return f"{date}T00:00:00"
