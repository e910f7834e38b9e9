"""Steppers for a program that embeds Python: arrays are its own memory, errors are codes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.coupling.fields import read_fields
from xai4land.coupling.run_file import RunFile
from xai4land.errors import (
    CouplingError,
    DownloadError,
    EmulatorError,
    EmulatorFileError,
    InputError,
    PluginError,
    StoreError,
    Xai4landError,
)
from xai4land.grids.grid import Grid

__all__ = ["Session", "call"]

CODES: tuple[tuple[type[BaseException], int], ...] = (
    (InputError, 1),
    (CouplingError, 2),
    (EmulatorError, 4),
    (EmulatorFileError, 4),
    (PluginError, 4),
    (StoreError, 3),
    (DownloadError, 3),
    (OSError, 3),
    (BaseException, 6),
)
"""What the host is told of an error, by the first kind that fits; 5 is for Python's start."""
DOUBLE, INT64 = "f8", "i8"


class Session:
    """The stepper and the clock of a run file, and the fields that were set for its next step.

    Memory of the host is used during a call and never held, so that the host may pass what it
    frees or changes afterwards.

    Parameters
    ----------
    run_file : str
        As :class:`xai4land.coupling.run_file.RunFile` reads it.

    Raises
    ------
    InputError
        If the file or the data that it names cannot be used, or its checkpoint ends before the
        step before the first one.
    CouplingError
        If its checkpoint is damaged.
    """

    def __init__(self, run_file: str) -> None:
        self.run = RunFile.read(run_file)
        self.clock = self.run.clock
        self.stepper = self.run.make_stepper()
        self.run.count_done(self.stepper.time)
        self._fields: dict[str, np.ndarray] = {}
        self._outputs: dict[str, np.ndarray] = {}

    def names(self, kind: str, names: memoryview) -> None:
        """Write the names of the ``"inputs"`` or ``"outputs"``, one a line."""
        lists = {"inputs": [*self.stepper.inputs], "outputs": [*self.stepper.outputs]}
        if kind not in lists:
            raise InputError(f"names of {kind!r}, expected those of inputs or outputs")
        _write_text("\n".join(lists[kind]), names)

    def shape(self, name: str, sizes: memoryview) -> None:
        """Write the sizes of an input or output: leading ones, rows, columns, and 0 for no more."""
        shape = self._find_shape(name)
        _view(sizes, INT64)[:] = [*shape, *[0] * (len(sizes) // 8 - len(shape))]

    def coordinates(self, name: str, lat: memoryview, lon: memoryview) -> None:
        """Write the degrees of rows and columns of an input or output."""
        grid = self._find_grid(name)
        for kind, values, memory in (("lat", grid.lat, lat), ("lon", grid.lon, lon)):
            array = _view(memory, DOUBLE)
            if array.size != len(values):
                raise InputError(
                    f"{array.size} values for {kind} of {name!r}, expected {len(values)}"
                )
            array[:] = values.values

    def attribute(self, name: str, attribute: str, text: memoryview) -> None:
        """Write an attribute of an input or output, such as its units; empty if it has none."""
        spec = self.stepper.inputs.get(name)
        attrs = vars(spec) if spec else self._find_output(name).attrs
        value = attrs.get(attribute, "")
        found = value if isinstance(value, str) else " ".join(map(str, np.atleast_1d(value)))
        _write_text(found, text)

    def halo(self, degrees: memoryview) -> None:
        """Write the width of a window: nearer to its edge, a map depends on where it was cut.

        A map that follows from another one depends on it farther inward with each step, and the
        host gives no margin of maps: there is no such width then.
        """
        if self.stepper.emulator.card.outputs.fine_inputs:
            raise InputError(
                f"maps of emulator {self.stepper.emulator.card.name!r} follow from each other, so "
                "that what is cut at an edge moves inward with each step; run it on one rank with "
                "the whole domain"
            )
        spacings = np.asarray(self.stepper.grid.spacings)
        _view(degrees, DOUBLE)[:] = self.stepper.emulator.card.window.size * spacings.max()

    def steps(self, done: memoryview, every: memoryview) -> None:
        """Write how many of the clock's steps are done, and how many there are."""
        _view(done, INT64)[:] = self._done
        _view(every, INT64)[:] = self.clock.steps

    def time(self, text: memoryview) -> None:
        """Write the date of the last step, or nothing before the first."""
        _write_text(str(self.stepper.time or ""), text)

    def set(self, name: str, dtype: str, values: memoryview, sizes: memoryview) -> None:
        """Take a field for the next step, as it is now."""
        inputs = self.stepper.inputs
        if name not in inputs:
            raise InputError(f"no input {name!r}, expected one of {', '.join(inputs)}")
        array = _view(values, dtype).reshape(_view(sizes, INT64))
        self._fields[name] = read_fields({name: inputs[name]}, {name: array}, {})[name].copy()

    def step(self, time: str) -> None:
        """Make the outputs at a date, or at that of the clock's next step.

        Fields are forgotten once they were used; after an error they are still there.
        """
        if not time:
            self.clock.check(self._done)
        date = time or self.clock.date(self._done)
        self._outputs = self.stepper.step(self._fields, date)
        self._fields = {}

    def get(self, name: str, dtype: str, values: memoryview, sizes: memoryview) -> None:
        """Write an output of the last step to the host's memory."""
        shape, expected = tuple(_view(sizes, INT64).tolist()), self._find_output_shape(name)
        if shape != expected:
            raise InputError(f"an array {shape} for output {name!r}, expected {expected}")
        if name not in self._outputs:
            raise InputError(f"no output {name!r} before the first step; make a step first")
        output, array = self._outputs[name], _view(values, dtype).reshape(shape)
        if not np.can_cast(output.dtype, array.dtype, "same_kind"):
            raise InputError(f"output {name!r} is {output.dtype}, which is no {array.dtype}")
        np.copyto(array, output, casting="same_kind")

    def checkpoint(self, path: str) -> None:
        """Write the state to a file, or to the one that the run file names."""
        where = path or self.run.checkpoint_path
        if not where:
            raise InputError("no path, and no checkpoint: in the run file; give one of them")
        self.stepper.checkpoint(where)

    def restore(self, path: str) -> None:
        """Go on from a file that ``checkpoint`` wrote."""
        self.stepper.restore(path)
        self._fields, self._outputs = {}, {}

    @property
    def _done(self) -> int:
        return min(self.clock.count_done(self.stepper.time), self.clock.steps)

    def _find_output(self, name: str) -> Any:
        outputs = self.stepper.outputs
        if name not in outputs:
            known = ", ".join([*self.stepper.inputs, *outputs])
            raise InputError(f"no input or output {name!r}, expected one of {known}")
        return outputs[name]

    def _find_output_shape(self, name: str) -> tuple[int, ...]:
        return (*self._find_output(name).shape, *self.stepper.grid.shape)

    def _find_shape(self, name: str) -> tuple[int, ...]:
        spec = self.stepper.inputs.get(name)
        return spec.shape if spec else self._find_output_shape(name)

    def _find_grid(self, name: str) -> Grid:
        spec = self.stepper.inputs.get(name)
        if spec is None:
            self._find_output(name)
            return self.stepper.grid
        return spec.grid


SESSIONS: dict[int, Session] = {}
NUMBERS = count(1)
VERBS: dict[str, Callable[..., None]] = {
    verb.__name__: verb
    for verb in (
        Session.names,
        Session.shape,
        Session.coordinates,
        Session.attribute,
        Session.halo,
        Session.steps,
        Session.time,
        Session.set,
        Session.step,
        Session.get,
        Session.checkpoint,
        Session.restore,
    )
}


def call(verb: str, number: int, *arguments: Any) -> tuple[int, str]:
    """Do what the host asks for; nothing is raised, whatever goes wrong.

    Parameters
    ----------
    verb : str
        ``"open"`` (a run file, and memory for the session's number), ``"close"``, or a method of
        :class:`Session`.
    number : int
        Of the session.
    *arguments : str, int or memoryview

    Returns
    -------
    int
        0, or the kind of the error: 1 input, 2 coupling, 3 files, 4 emulator, 6 unexpected.
    str
        The error's message.

    Examples
    --------
    >>> code, message = call("open", 0, "absent.yaml", memoryview(bytearray(8)))
    >>> code, message
    (1, "settings='absent.yaml' cannot be read: [Errno 2] No such file or directory: 'absent.yaml'")
    """
    try:
        if verb == "open":
            _open(*arguments)
        elif number not in SESSIONS:
            known = ", ".join(map(str, SESSIONS)) or "none"
            raise InputError(f"no emulator {number} is open; there are {known}")
        elif verb == "close":
            _close(number)
        else:
            VERBS[verb](SESSIONS[number], *arguments)
    except BaseException as error:
        return _describe(error)
    return 0, ""


def _open(run_file: str, number: memoryview) -> None:
    session = Session(run_file)
    key = next(NUMBERS)
    SESSIONS[key] = session
    _view(number, INT64)[:] = key


def _close(number: int) -> None:
    """Forget a session, once its state is in the file that the run file names."""
    session = SESSIONS[number]
    if session.run.checkpoint and session.stepper.time is not None:
        session.checkpoint("")
    del SESSIONS[number]


def _describe(error: BaseException) -> tuple[int, str]:
    code = next(code for kind, code in CODES if isinstance(error, kind))
    if isinstance(error, Xai4landError):
        return code, str(error)
    return code, f"{type(error).__name__}: {error}"


def _write_text(text: str, room: memoryview) -> None:
    """Write text as UTF-8 that ends with a null byte."""
    found = text.encode() + b"\0"
    if len(found) > len(room):
        raise InputError(f"{len(room)} bytes for a text of {len(found)}; give more")
    room[: len(found)] = found


def _view(memory: memoryview, dtype: str) -> npt.NDArray[Any]:
    """Return the host's memory as an array, without a copy."""
    try:
        return np.frombuffer(memory, dtype)
    except ValueError as error:
        raise InputError(f"memory that is no array of {dtype}: {error}") from None
