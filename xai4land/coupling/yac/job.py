"""An emulator as a component of YAC: ``python -m xai4land.coupling.yac run.yaml`` under mpirun.

Whatever can be checked without YAC is checked before MPI begins: mpirun ends a job in which a
process fails before that. An error after that must not be caught: YAC's hook calls MPI_Abort.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import numpy as np

from xai4land.coupling.yac.component import YacComponent, import_yac
from xai4land.coupling.yac.couplings import check_couplings
from xai4land.coupling.yac.lag import keep_last, read_initial, remove_others, restore_last
from xai4land.coupling.yac.ports import find_cells, list_inputs, list_outputs
from xai4land.coupling.yac.settings import YacRunFile
from xai4land.errors import InputError, Xai4landError

__all__ = ["YacJob", "main"]


class YacJob:
    """The emulator's part of a coupled run.

    Parameters
    ----------
    file : YacRunFile

    Raises
    ------
    InputError
        Listing what does not fit: data, fields, couplings, or a checkpoint of another date.
    CouplingError
        If the checkpoint is damaged.
    """

    def __init__(self, file: YacRunFile) -> None:
        self.file, self.clock, self.settings = file, file.clock, file.coupling
        self.stepper = file.make_stepper()
        self._check_restart()
        pixels = self.stepper.grid
        self.inputs = list_inputs(self.settings.inputs, self.stepper)
        self.cells = find_cells(self.inputs, pixels)
        self.outputs = list_outputs(self.settings.outputs, self.stepper, self.cells)
        if path := file.couplings_path:
            ports = [*self.inputs, *self.outputs]
            check_couplings(path, self.settings.component, ports, self.clock)
        self._last = self._find_last() if self.settings.lag else {}

    def run(self) -> None:
        """Exchange fields and make steps until the end; then write the checkpoint.

        Raises
        ------
        InputError
            If a step cannot be made from what came.
        CouplingError
            If the other components do not do their part.
        StoreError
            If the checkpoint cannot be written; an older one is intact then.
        """
        _set_alarm(self.settings.timeout, "waits for the definitions of the other components")
        component = self._define()
        _set_alarm(0)
        for number in range(self.clock.steps):
            self._step(component, number)
        self._save()
        if self.settings.at_end:
            # This exchange is the first one of a run that goes on, which makes it again.
            self._step(component, self.clock.steps)
        component.finish()
        _set_alarm(self.settings.timeout, "has ended, and waits for the other components")

    def _define(self) -> YacComponent:
        return YacComponent(
            self.settings,
            self.clock,
            self.inputs,
            self.outputs,
            pixels=self.stepper.grid,
            like=self.file.open_like(),
            couplings=self.file.couplings_path,
        )

    def _step(self, component: YacComponent, number: int) -> None:
        date = self.clock.date(number)
        if self.settings.lag:
            component.give(self._last, date)
        self._last = self.stepper.step(component.receive(date), date)
        if not self.settings.lag:
            component.give(self._last, date)

    def _save(self) -> None:
        path, date = self.file.checkpoint_path, self.stepper.time
        if path is None or date is None:
            return
        if self.settings.lag:
            keep_last(self._last, path, date)
        self.stepper.checkpoint(path)
        remove_others(path, date)

    def _check_restart(self) -> None:
        """Refuse a checkpoint that is not of the step before the first one."""
        path = self.file.checkpoint_path
        if path is not None and path.exists():
            self.file.refuse_other_end(self.stepper.time)

    def _find_last(self) -> dict[str, np.ndarray]:
        """Return the outputs of the step before the first one."""
        path = self.file.checkpoint_path
        if path is not None and path.exists():
            return restore_last(path, self.clock.date(-1), self.outputs)
        if not self.settings.initial:
            raise InputError(
                "yac: lag: 1 without initial:, from which the outputs of the step before the "
                "first one come; name a file with them"
            )
        return read_initial(self.file.open_initial(), self.outputs, self.stepper.grid)


def main(arguments: Sequence[str]) -> None:
    """Run the emulator that a file of settings names.

    Raises
    ------
    SystemExit
        If the settings, the data or the checkpoint do not fit, before MPI begins.
    """
    if len(arguments) != 1:
        raise SystemExit("usage: mpirun ... : -n 1 python -m xai4land.coupling.yac run.yaml")
    try:
        job = YacJob(YacRunFile.read(arguments[0]))
        import_yac()
    except Xai4landError as error:
        raise SystemExit(f"xai4land: {error}") from None
    job.run()


def _set_alarm(seconds: float, why: str = "") -> None:
    """Let the system end this process, and mpirun the job, after some time; 0 for never.

    Python could not: MPI waits in C, at the very end when there is no interpreter any more.
    """
    if why:
        print(f"xai4land: {why}, {seconds:g} s at most", file=sys.stderr, flush=True)
    signal.setitimer(signal.ITIMER_REAL, seconds)
