"""What a coupled run is made from: a file of settings that names the emulator and its data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import xarray as xr

from xai4land.coupling.clock import Clock
from xai4land.coupling.dates import Date
from xai4land.coupling.stepper import Stepper
from xai4land.errors import InputError
from xai4land.settings import read_settings, resolve_settings
from xai4land.store.opening import open_store

__all__ = ["RunFile"]


@dataclass(frozen=True)
class RunFile:
    """The settings of a coupled run; paths are relative to the file's folder.

    Attributes
    ----------
    emulator : str
        A bundled emulator's name, or a file.
    like : str
        NetCDF file or Zarr store that shows on which grids the fields of a step lie.
    start, end : int or str
        Dates between which the steps lie.
    step : {"year", "month", "day"}
        Length of a step.
    calendar : str
        As CF names it.
    static, prior, history : str
        Files of static features, of a known map and of the steps before the first one.
    target : float
        Degrees; or 0 for the finest of the inputs.
    units : mapping
        Units of the fields that the model gives, where they are not the emulator's.
    device, precision : str
    options : mapping
        Of the outputs; see :class:`xai4land.coupling.Stepper`.
    checkpoint : str
        File of the stepper's state: written at the end, and read at the start if it exists.
    folder : str
        Where paths begin; by default that of the file of settings.
    """

    emulator: str = ""
    like: str = ""
    start: int | str = ""
    end: int | str = ""
    step: str = "year"
    calendar: str = "standard"
    static: str = ""
    prior: str = ""
    history: str = ""
    target: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    precision: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str = ""
    folder: str = "."

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> RunFile:
        """Read a YAML, TOML or JSON file.

        Raises
        ------
        InputError
            Listing unknown names, values of another type, and what is absent.
        """
        path = Path(path)
        given = {"folder": str(path.parent), **read_settings(path)}
        found = resolve_settings(cls, given)
        InputError.raise_if(
            f"{path} has no {name}:, expected {what}"
            for name, what in (
                ("emulator", "a bundled emulator's name, or a file"),
                ("like", "a file on the grids of the fields"),
                ("start", "a date"),
                ("end", "a date"),
            )
            if not getattr(found, name)
        )
        own = {each.name for each in fields(cls)} & {*found.options}
        InputError.raise_if(
            f"options: names {name!r}, which is a setting of its own; give it beside options:"
            for name in sorted(own)
        )
        return found

    @property
    def clock(self) -> Clock:
        """The steps of the run."""
        return Clock.of(self.start, self.end, self.step, self.calendar)

    @property
    def checkpoint_path(self) -> Path | None:
        """The file of the stepper's state, if one is named."""
        return Path(self.folder, self.checkpoint) if self.checkpoint else None

    def refuse_other_end(self, last: Date | None) -> None:
        """Refuse a checkpoint whose date is not within the step before the first one.

        Raises
        ------
        InputError
        """
        before, start = self.clock.date(-1), self.clock.start
        if last is None or not before <= last < start:
            raise InputError(
                f"{self.checkpoint_path} is the checkpoint of {last}, expected {before}, the step "
                f"before start={self.clock.start}; set start to the step after it, or move it away"
            )

    def count_done(self, last: Date | None) -> int:
        """Return how many steps are done, when a checkpoint may have been read.

        Parameters
        ----------
        last : Date or None
            Of the stepper's last step.

        Raises
        ------
        InputError
            If the checkpoint ends before the step before the first one.
        """
        path = self.checkpoint_path
        if last and last < self.clock.start and path and path.exists():
            self.refuse_other_end(last)
        return self.clock.count_done(last)

    def make_stepper(self) -> Stepper:
        """Return the stepper, where its checkpoint left it if there is one.

        Raises
        ------
        InputError
            If the data do not fit the emulator.
        CouplingError
            If the checkpoint is damaged.
        """
        file = Path(self.folder, self.emulator)
        like = self._open(self.like)
        assert like is not None
        stepper = Stepper(
            file if file.exists() else self.emulator,
            like,
            static=self._open(self.static),
            prior=self._open(self.prior),
            history=self._open(self.history),
            target=self.target or None,
            units=self.units,
            device=self.device,
            precision=self.precision,  # type: ignore[arg-type]
            **self.options,
        )
        path = self.checkpoint_path
        if path is not None and path.exists():
            stepper.restore(path)
        return stepper

    def _open(self, name: str) -> xr.Dataset | None:
        return open_store(Path(self.folder, name)) if name else None
