"""How a dataset is cut: chunks of one size, shards where they are many, and the parts to write."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

__all__ = [
    "Part",
    "choose_encodings",
    "compute_fingerprint",
    "encode",
    "list_lazy_names",
    "split_into_parts",
]

MAX_FILES = 1000  # more chunks of a variable than this are grouped into shards,
MAX_SHARD_BYTES = 32 * 2**20  # of at most so many bytes before compression,
MIN_SHARDS = 100  # and at least so many: a part is the most that a killed run loses
CODECS = ("compressors", "filters", "serializer")
"""What a variable's encoding may ask of Zarr's format 3."""


@dataclass(frozen=True)
class Part:
    """What is written, and done, as one: a chunk, or the chunks of a shard.

    Attributes
    ----------
    variable : str
    dims : tuple of str
    blocks : tuple of range
        The dask chunks that it is made of, along each dimension.
    region : tuple of slice
        Its place in the variable.
    """

    variable: str
    dims: tuple[str, ...]
    blocks: tuple[range, ...]
    region: tuple[slice, ...]

    @property
    def label(self) -> str:
        """Its name in the list of what is done: cut anywhere, it is no other part's."""
        starts = [block.start for block in self.blocks]
        return json.dumps([self.variable, *starts], separators=(",", ":"))

    @property
    def size(self) -> int:
        """How many values it holds."""
        return math.prod(part.stop - part.start for part in self.region)

    def __str__(self) -> str:
        spans = (f"{d} {s.start}:{s.stop}" for d, s in zip(self.dims, self.region, strict=True))
        return f"{self.variable} ({', '.join(spans)})" if self.dims else self.variable


def encode(data: xr.Dataset, zarr_format: int = 3) -> xr.Dataset:
    """Encode a dataset by CF, as it will be stored: lazy where it was, in chunks of one size."""
    data = data.copy()
    for name, variable in data.variables.items():
        if variable.chunks is not None and any(
            len(set(s[:-1])) > 1 or s[-1] > s[0] for s in variable.chunks
        ):
            sizes = {d: max(s) for d, s in zip(variable.dims, variable.chunks, strict=True)}
            data[name] = data[name].chunk(sizes)
    bounds = {variable.attrs.get("bounds") for variable in data.variables.values()}
    for name, variable in data.variables.items():
        if (name in data.dims or name in bounds) and not variable.isnull().any():
            variable.encoding["_FillValue"] = None  # CF has none on coordinates
            variable.encoding.pop("missing_value", None)
        if variable.attrs.get("grid_mapping") in data.coords:
            # xarray knows of it there alone, and would list it among the coordinates.
            variable.encoding["grid_mapping"] = variable.attrs.pop("grid_mapping")
        if variable.dtype == bool and np.dtype(variable.encoding.get("dtype") or bool) == bool:
            # Truth values have no gaps; one of the two would be read as such.
            for key in ("_FillValue", "missing_value"):
                variable.encoding.pop(key, None)
        if variable.chunks is not None and _is_plain_integer(variable):
            # xarray would look for gaps, in tasks that hold finished maps back until the end.
            variable.attrs["_FillValue"] = variable.dtype.type(variable.encoding.pop("_FillValue"))
    variables, attrs = xr.conventions.cf_encoder(*xr.conventions.encode_dataset_coordinates(data))
    for variable in variables.values():
        # Chunks of a former store are forgotten, and codecs that are of another format.
        for key in ("chunks", "preferred_chunks", "shards"):
            variable.encoding.pop(key, None)
        for key in ("compressor", *CODECS):
            if zarr_format == 2 or _is_of_format_2(variable.encoding.get(key)):
                variable.encoding.pop(key, None)
    for name, variable in variables.items():
        if variable.dtype.kind == "O" and variable.chunks is not None:
            # What objects are stored as, xarray tells from their values.
            variables[name] = variable.compute()
        if variable.dtype.kind == "U" and variable.chunks is None:
            # Zarr's format 3 knows words, but none of a fixed length.
            variables[name] = variable.astype(object)
    stored = xr.Dataset(variables, attrs=attrs)
    stored.encoding["zarr_format"] = zarr_format
    return stored


def _is_plain_integer(variable: xr.Variable) -> bool:
    """Tell whether a variable has a fill value, and whole numbers that are stored as they are."""
    others = {"missing_value", "scale_factor", "add_offset", "dtype", "_Unsigned"}
    given = {key for key, value in variable.encoding.items() if value is not None}
    return variable.dtype.kind in "iu" and "_FillValue" in given and others.isdisjoint(given)


def _is_of_format_2(codecs: Any) -> bool:
    """Tell whether codecs are objects, but none that Zarr's format 3 knows."""
    from zarr.abc.codec import Codec

    several = codecs if isinstance(codecs, list | tuple) else [codecs]
    return not all(codec is None or isinstance(codec, Codec | dict | str) for codec in several)


def list_lazy_names(stored: xr.Dataset) -> list[str]:
    """List the variables that are still to be computed."""
    return [str(name) for name, v in stored.variables.items() if v.chunks is not None]


def choose_encodings(stored: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Choose Zarr's chunks and shards of each lazy variable, with the codecs asked for."""
    made = {}
    for name, group in _choose_groups(stored).items():
        sizes = [max(s[0], 1) for s in _chunks_of(stored, name)]
        made[name] = {"chunks": tuple(sizes)}
        given = stored.variables[name].encoding
        made[name] |= {key: given[key] for key in CODECS if key in given}
        if max(group, default=1) > 1:
            made[name]["shards"] = tuple(n * k for n, k in zip(sizes, group, strict=True))
    return made


def split_into_parts(stored: xr.Dataset) -> list[Part]:
    """Split the lazy variables into parts; those at the same place follow each other."""
    found = [
        part
        for name, group in _choose_groups(stored).items()
        for part in _split_variable(stored, name, group)
    ]

    depth = max((len(part.blocks) for part in found), default=0)

    def place(part: Part) -> tuple[int, ...]:
        # A single value, such as a mean, may need all blocks: it comes last.
        last = int(not part.blocks)
        return (last, *[0] * (depth - len(part.blocks)), *(block.start for block in part.blocks))

    return sorted(found, key=place)


def _split_variable(stored: xr.Dataset, name: str, group: tuple[int, ...]) -> Iterator[Part]:
    sizes = _chunks_of(stored, name)
    ends = [np.cumsum([0, *s]).tolist() for s in sizes]
    shards = [range(0, len(s), k) for s, k in zip(sizes, group, strict=True)]
    dims = tuple(map(str, stored.variables[name].dims))
    for starts in itertools.product(*shards):
        blocks = tuple(
            range(start, min(start + k, len(s)))
            for start, k, s in zip(starts, group, sizes, strict=True)
        )
        region = tuple(slice(e[b.start], e[b.stop]) for e, b in zip(ends, blocks, strict=True))
        yield Part(name, dims, blocks, region)


def compute_fingerprint(data: xr.Dataset, stored: xr.Dataset) -> str:
    """Hash the values, lazy or not, and how they are stored; not when and where."""
    from dask.base import tokenize

    values = [
        (str(name), v.values if v.chunks is None else v.data.name)
        for name, v in sorted(data.variables.items(), key=lambda item: str(item[0]))
    ]
    form = [
        (str(name), v.dims, v.shape, str(v.dtype), v.attrs)
        for name, v in sorted(stored.variables.items(), key=lambda item: str(item[0]))
    ]
    other = [2] if stored.encoding["zarr_format"] == 2 else []
    return str(tokenize(values, form, choose_encodings(stored), *other))


def _chunks_of(stored: xr.Dataset, name: str) -> tuple[tuple[int, ...], ...]:
    chunks = stored.variables[name].chunks
    assert chunks is not None
    return chunks


def _choose_groups(stored: xr.Dataset) -> dict[str, tuple[int, ...]]:
    """Choose how many chunks along each dimension make a part, for each lazy variable.

    The largest chunk decides for all variables, so that those that come from the same blocks
    wait for the same blocks. Where steps need one another, a part is of one step.
    """
    from xai4land.store.chains import find_chains

    stepwise = {chain.dim for chain in find_chains(stored)}
    counts = {n: tuple(len(s) for s in _chunks_of(stored, n)) for n in list_lazy_names(stored)}
    shards = stored.encoding["zarr_format"] == 3
    many = [name for name, count in counts.items() if shards and math.prod(count) > MAX_FILES]
    largest = max((_chunk_bytes(stored, name) for name in many), default=1)
    return {
        name: _choose_group(
            tuple(
                1 if dim in stepwise else n
                for dim, n in zip(stored.variables[name].dims, count, strict=True)
            ),
            min(MAX_SHARD_BYTES // largest, math.ceil(math.prod(count) / MIN_SHARDS)),
        )
        if name in many
        else (1,) * len(count)
        for name, count in counts.items()
    }


def _chunk_bytes(stored: xr.Dataset, name: str) -> int:
    values = math.prod(s[0] for s in _chunks_of(stored, name))
    return max(values * int(stored.variables[name].dtype.itemsize), 1)


def _choose_group(counts: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Choose at most so many chunks: a square of the last two dimensions, then others.

    Examples
    --------
    >>> _choose_group((1000, 3, 5), 40)  # whole maps of two years
    (2, 3, 5)
    >>> _choose_group((1, 71, 141), 100)  # evenly, with less left over at the edges
    (1, 9, 10)
    """
    *_, rows, columns = (1, 1, *counts)
    most = max(most, 1)
    found = [min(columns, max(math.isqrt(most), most // rows))]
    for count in reversed(counts[:-1]):
        found.append(min(count, most // math.prod(found)))
    return tuple(
        math.ceil(count / math.ceil(count / many))
        for count, many in zip(counts, reversed(found), strict=True)
    )
