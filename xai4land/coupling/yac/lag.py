"""Outputs of the step before, which a lagged run gives: at its start, and after a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from xai4land.coupling.dates import Date
from xai4land.coupling.state import read_state, write_state
from xai4land.coupling.yac.ports import Port
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.heads.outputs import Output

__all__ = ["keep_last", "read_initial", "remove_others", "restore_last"]


def read_initial(data: xr.Dataset, ports: Sequence[Port], grid: Grid) -> dict[str, np.ndarray]:
    """Return outputs from a dataset, as a step would have given them.

    Raises
    ------
    InputError
        Listing outputs that are absent, on another grid, or of other classes.
    """
    problems: list[str] = []
    found = {}
    for output in {p.output.name: p.output for p in ports if p.output is not None}.values():
        try:
            found[output.name] = _read_output(data, output, grid)
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    return found


def keep_last(outputs: Mapping[str, np.ndarray], checkpoint: Path, date: Date) -> None:
    """Write the outputs of a date beside the checkpoint of the same date.

    Raises
    ------
    StoreError
    """
    write_state(_name(checkpoint, date), outputs, {"time": date})


def restore_last(checkpoint: Path, date: Date, ports: Sequence[Port]) -> dict[str, np.ndarray]:
    """Read the outputs of the date of a checkpoint.

    Raises
    ------
    CouplingError
        If they are absent or damaged.
    InputError
        If they are not the outputs that are given.
    """
    path = _name(checkpoint, date)
    outputs, _ = read_state(path, {"time": date})
    names = {p.output.name for p in ports if p.output is not None}
    InputError.raise_if(
        f"{path} has no output {name!r}; restart with the outputs of the run before"
        for name in sorted(names - set(outputs))
    )
    return outputs


def remove_others(checkpoint: Path, date: Date) -> None:
    """Delete the outputs of dates before, once the checkpoint of this one is written."""
    kept = _name(checkpoint, date)
    for path in checkpoint.parent.glob(f"{checkpoint.name}.given-*"):
        if path != kept:
            path.unlink(missing_ok=True)


def _name(checkpoint: Path, date: Date) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}.given-{date}")


def _read_output(data: xr.Dataset, output: Output, grid: Grid) -> np.ndarray:
    if output.name not in data:
        raise InputError(
            f"initial: has no variable {output.name!r}, the output of the step before; there are "
            f"{', '.join(map(str, data.data_vars)) or 'none'}"
        )
    array = data[output.name]
    if Grid.of(array, f"initial: {output.name!r}") != grid:
        raise InputError(
            f"initial: {output.name!r} does not lie on the grid of the outputs, {grid.shape[0]} x "
            f"{grid.shape[1]} pixels; regrid it"
        )
    names = Grid.of(array).names
    leading = [dim for dim in array.dims if dim not in names and array.sizes[dim] != 1]
    sizes = tuple(array.sizes[dim] for dim in leading)
    if sizes != tuple(size for size in output.shape if size != 1):
        raise InputError(
            f"initial: {output.name!r} has sizes {sizes} beside the grid, expected {output.shape}"
        )
    values = np.asarray(array.squeeze(drop=True).transpose(*leading, *names).values)
    values = values.reshape(*output.shape, *grid.shape)
    return _as_classes(values, output) if "flag_values" in output.attrs else values


def _as_classes(values: np.ndarray, output: Output) -> np.ndarray:
    missing = int(output.missing)
    filled = np.nan_to_num(values, nan=missing)
    allowed = [*np.atleast_1d(output.attrs["flag_values"]).tolist(), missing]
    strange = np.setdiff1d(filled, allowed)
    if strange.size:
        raise InputError(
            f"initial: {output.name!r} has values {', '.join(f'{v:g}' for v in strange[:5])}, "
            f"expected some of {', '.join(map(str, allowed))}"
        )
    classes: np.ndarray = filled.astype(output.dtype)
    return classes
