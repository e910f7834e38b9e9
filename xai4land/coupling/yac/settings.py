"""Settings of a run that is coupled by YAC: those of any coupled run, and a part ``yac:``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import xarray as xr

from xai4land.coupling.clock import Clock
from xai4land.coupling.run_file import RunFile
from xai4land.errors import InputError
from xai4land.settings import resolve_settings
from xai4land.store.opening import open_store

__all__ = ["YacRunFile", "YacSettings", "name_calendar"]

CALENDARS = {
    "proleptic_gregorian": "PROLEPTIC_GREGORIAN",
    "standard": "PROLEPTIC_GREGORIAN",
    "noleap": "YEAR_OF_365_DAYS",
    "360_day": "YEAR_OF_360_DAYS",
}
"""YAC's names of calendars by those of CF."""
FIRST_GREGORIAN_DAY = (1582, 10, 15)


@dataclass(frozen=True)
class YacSettings:
    """The part ``yac:`` of a file of settings.

    Attributes
    ----------
    component : str
        Name of the component.
    grid : str
        Its grids are ``GRID_cells`` (inputs, fractions of coarse cells) and ``GRID_pixels``.
    couplings : str
        YAC's own file of couplings, which this component reads; by default another one does.
    inputs : mapping from str to str or list of str
        The input, or the inputs of a collection, that each field of YAC gives.
    outputs : mapping from str to str
        The output that each field of YAC takes; ``cell_fractions`` and ``pixel_fractions`` are
        area fractions of the classes of a map.
    lag : {0, 1}
        1 to give at each step what was made of the step before, so that both models run at once.
    initial : str
        With a lag, the outputs that are given at the first step: a NetCDF file or Zarr store.
    at_end : bool
        Whether fields are exchanged at the end date, too, as some components do for a restart.
    timeout : float
        Seconds that other components may take for a field, for their definitions, and to end
        after this one; then the run is ended.
    """

    component: str = "xai4land"
    grid: str = "xai4land"
    couplings: str = ""
    inputs: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    lag: Literal[0, 1] = 0
    initial: str = ""
    at_end: bool = False
    timeout: Annotated[float, pydantic.Field(gt=0)] = 86400.0


@dataclass(frozen=True)
class YacRunFile(RunFile):
    """The settings of a run that is coupled by YAC.

    Attributes
    ----------
    yac : mapping
        See :class:`YacSettings`.
    """

    yac: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> YacRunFile:
        """Read a YAML, TOML or JSON file.

        Raises
        ------
        InputError
            Listing unknown names, values of another type, what is absent, and what YAC cannot do.
        """
        found = super().read(path)
        assert isinstance(found, cls)
        coupling, clock = found.coupling, found.clock
        problems = [
            f"yac: names no {name}, expected a mapping from fields of YAC to {name} of the emulator"
            for name in ("inputs", "outputs")
            if not getattr(coupling, name)
        ]
        problems += _check_lag(coupling) + _check_clock(clock, coupling)
        InputError.raise_if(problems)
        name_calendar(clock)
        return found

    @property
    def coupling(self) -> YacSettings:
        """The part ``yac:``, checked.

        Raises
        ------
        InputError
        """
        return resolve_settings(YacSettings, self.yac)

    @property
    def couplings_path(self) -> Path | None:
        """YAC's file of couplings, if this component reads it."""
        name = self.coupling.couplings
        return Path(self.folder, name) if name else None

    def open_like(self) -> xr.Dataset:
        """Return the dataset that shows on which grids the fields lie."""
        return open_store(Path(self.folder, self.like))

    def open_initial(self) -> xr.Dataset:
        """Return the outputs that are given at the first step."""
        return open_store(Path(self.folder, self.coupling.initial))


def name_calendar(clock: Clock) -> str:
    """Return YAC's name of a clock's calendar.

    Raises
    ------
    InputError
        If YAC has none.

    Examples
    --------
    >>> name_calendar(Clock.of(1850, 1860, "year", "365_day"))
    'YEAR_OF_365_DAYS'
    """
    if clock.calendar not in CALENDARS:
        raise InputError(
            f"calendar={clock.calendar!r} is none of YAC's, expected one of {', '.join(CALENDARS)}"
        )
    if clock.calendar == "standard" and clock.start < FIRST_GREGORIAN_DAY:
        raise InputError(
            f"calendar='standard' is Julian at start={clock.start}, which YAC does not know; "
            "set calendar: proleptic_gregorian"
        )
    return CALENDARS[clock.calendar]


def _check_lag(coupling: YacSettings) -> list[str]:
    if coupling.initial and not coupling.lag:
        return ["yac: initial: is given without lag: 1, which alone has a use for it; leave it out"]
    return []


def _check_clock(clock: Clock, coupling: YacSettings) -> list[str]:
    """Refuse a run without a step, and an exchange at an end that is no date of a step."""
    if not clock.steps:
        return [
            f"there is no whole {clock.unit} from {clock.start} to {clock.end}; set a later end"
        ]
    if coupling.at_end and clock.date(clock.steps) != clock.end:
        return [
            f"yac: at_end: true, but end={clock.end} is no date of a step; the last one ends at "
            f"{clock.date(clock.steps)}"
        ]
    return []
