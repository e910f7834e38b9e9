"""From a user's variables to the inputs of a card, with statistics of the training blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.emulator.card import Input
from xai4land.emulator.inputs import Layer, find_layer, time_name
from xai4land.emulator.outputs import Outputs
from xai4land.errors import InputError
from xai4land.grids.flags import flag_codes
from xai4land.grids.grid import Grid
from xai4land.heads.moments import Moments, round_digits
from xai4land.training.distributed import World
from xai4land.training.split import Split, block_numbers
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Reader
from xai4land.windows.sources import as_chunks

__all__ = ["describe_inputs", "measure_input"]

MOST_CODES = 64
"""Whole numbers without flags or units that are still taken for codes."""


def describe_inputs(
    data: xr.Dataset,
    static: xr.Dataset | None,
    outputs: Outputs,
    inputs: Sequence[str] | None,
    world: World,
) -> list[Layer]:
    """Find the inputs, as a card will describe them; statistics come later.

    Parameters
    ----------
    data : Dataset
    static : Dataset, optional
    outputs : Outputs
        They name the inputs on the coarse grid, and those that are fractions of a cell.
    inputs : sequence of str, optional
        All others; by default all variables that have a horizontal grid.
    world : World
        The first process finds the codes of inputs, and tells the others.

    Raises
    ------
    InputError
        Listing what is not there, or is no map.
    """
    problems: list[str] = []
    layers = []
    sources = [data] if static is None else [data, static]
    named = {str(n): s[n] for s in reversed(sources) for n in s.data_vars}
    required = [*outputs.fraction_inputs, *outputs.coarse_inputs, *outputs.fine_inputs]
    for name in dict.fromkeys([*required, *(named if inputs is None else inputs)]):
        if name not in named:
            problems.append(f"no variable {name!r}; there are {', '.join(named)}")
            continue
        array = named[name]
        try:
            Grid.of(array, f"variable {name!r}")
            spec = _describe(name, array, outputs, world)
            layers.append(find_layer(spec, data, static))
        except InputError as error:
            if inputs is None and name not in required and "none;" in str(error):
                continue  # not a map: bounds, a grid mapping
            problems += error.problems
    InputError.raise_if(problems)
    return layers


def _describe(name: str, array: xr.DataArray, outputs: Outputs, world: World) -> Input:
    about = {
        "name": name,
        "standard_name": str(array.attrs.get("standard_name", "")),
        "long_name": str(array.attrs.get("long_name", "")),
    }
    if name in outputs.fine_inputs:
        known = flag_codes(array, f"variable {name!r}").tolist()
        return Input(**about, role="prior", codes=tuple(known))
    if name in outputs.bounded_inputs:
        return Input(
            **about, role="dynamic", units="1", valid_range=(0.0, 1.0), offset=0.5, scale=0.5
        )
    flagged = "flag_values" in array.attrs
    if flagged or (array.dtype.kind in "iu" and str(array.attrs.get("units", "")) in ("", "1")):
        codes = world.share(lambda: json.dumps(_codes(name, array, flagged)).encode())
        return Input(**about, role="categorical", codes=tuple(json.loads(codes)))
    units = str(array.attrs.get("units", "1"))
    role = "static" if time_name(array) is None else "dynamic"
    fill = None if outputs.is_required(name) else 0.0
    return Input(**about, role=role, units=units, fill=fill)


def _codes(name: str, array: xr.DataArray, flagged: bool) -> tuple[int, ...]:
    """Return the codes that an array holds."""
    fill = array.encoding.get("_FillValue", array.attrs.get("_FillValue"))
    codes: set[int] = set()
    reader = Reader(as_chunks(array), Grid.of(array, f"variable {name!r}"))
    for values, _, _ in _placed_pieces(reader, ResultCache(others=0)):
        found = np.unique(values)
        codes.update(int(c) for c in found[np.isfinite(found)] if c != fill)
        if len(codes) > MOST_CODES and not flagged:
            raise InputError(
                f"variable {name!r} has more than {MOST_CODES} whole numbers and no units: "
                "codes, or a quantity? set its flag_values, or its units"
            )
    return tuple(sorted(codes))


def measure_input(
    spec: Input, readers: Sequence[Reader], splits: Sequence[Split], cache: ResultCache
) -> Input:
    """Return an input with its mean and standard deviation over the training blocks.

    Parameters
    ----------
    spec : Input
    readers : sequence of Reader
        The input in each region.
    splits : sequence of Split
        The training blocks of each.
    cache : ResultCache

    Raises
    ------
    InputError
        If there is no value.
    """
    if spec.coded or spec.valid_range is not None:
        return spec
    moments = Moments()
    for reader, split in zip(readers, splits, strict=True):
        grid = reader.chunking.grid
        lat, lon = grid.lat.values, (grid.lon.values + 180) % 360 - 180
        for values, rows, columns in _placed_pieces(reader, cache):
            inside = np.isin(block_numbers(lat[rows], lon[columns], split.degrees), split.blocks)
            moments = moments.merge(Moments.of(np.asarray(values, np.float64)[..., inside]))
    if not moments.count:
        raise InputError(f"variable {spec.name!r} has no value in the training blocks; drop it")
    room = (moments.high - moments.low) or abs(moments.mean) or 1.0
    return spec.model_copy(
        update={
            "offset": round_digits(moments.mean),
            "scale": round_digits(moments.deviation) or 1.0,
            "fill": None if spec.fill is None else round_digits(moments.mean),
            # Room for what the training blocks did not show; not for other units.
            "valid_range": (round_digits(moments.low - room), round_digits(moments.high + room)),
        }
    )


def _placed_pieces(
    reader: Reader, cache: ResultCache
) -> Iterator[tuple[npt.NDArray[Any], slice, slice]]:
    """Read an array chunk by chunk, with the rows and columns of its last two dimensions."""
    data = reader.data
    if not isinstance(data, da.Array):
        yield data, slice(None), slice(None)
        return
    ends = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in data.chunks[-2:]]
    for number in np.ndindex(data.numblocks):
        rows, columns = (
            slice(int(end[k]), int(end[k + 1])) for end, k in zip(ends, number[-2:], strict=True)
        )
        yield reader.read_chunk(number, cache), rows, columns
