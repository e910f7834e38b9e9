"""Zarr stores in pieces: an empty one, and the file of one part of it, made in memory."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.store.manifest import ROOTS
from xai4land.store.parts import Part, choose_encodings, list_lazy_names

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

__all__ = ["METADATA", "encode_part", "find_keys", "make_empty", "make_pieces", "open_array"]

METADATA = {*ROOTS, ".zattrs", ".zarray"}


def make_empty(stored: xr.Dataset, store: Path | Store) -> None:
    """Make a store with the values that are in memory, and room for those that are lazy.

    Raises
    ------
    InputError
        If Zarr cannot hold the dataset.
    """
    import dask.array as da

    blank = stored.copy()
    for name in list_lazy_names(stored):
        variable = stored.variables[name]
        blank[name] = variable.copy(data=da.zeros(variable.shape, dtype=variable.dtype, chunks=-1))
    try:
        with warnings.catch_warnings():
            # Consolidated, as xarray wants it; readers that do not know of it pass over it.
            warnings.filterwarnings("ignore", "Consolidated metadata")
            blank.to_zarr(
                store,
                mode="w",
                zarr_format=stored.encoding["zarr_format"],
                consolidated=True,
                compute=False,
                encoding=choose_encodings(stored),
            )
    except (TypeError, ValueError) as error:
        raise InputError(f"the dataset cannot be stored: {error}") from error


def make_pieces(stored: xr.Dataset) -> tuple[dict[str, str], dict[str, bytes]]:
    """Make the files of an empty store: its metadata, and the values that are in memory.

    Parameters
    ----------
    stored : Dataset
        As it was encoded for the store.

    Returns
    -------
    metadata, values : dict
        By key.
    """
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    make_empty(stored, MemoryStore(files))
    pieces = {key: piece.to_bytes() for key, piece in files.items()}
    metadata = {k: v.decode() for k, v in pieces.items() if k.rpartition("/")[2] in METADATA}
    return metadata, {k: v for k, v in pieces.items() if k not in metadata}


def encode_part(metadata: Mapping[str, str], part: Part, values: np.ndarray) -> bytes | None:
    """Encode a part as the file that Zarr makes of it.

    Parameters
    ----------
    metadata : mapping
        As :func:`make_pieces` returns it.
    part : Part
    values : array
        As they are stored.

    Returns
    -------
    bytes or None
        None where no value differs from the fill value, for which Zarr writes no file.
    """
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    open_array(MemoryStore(files), metadata, part.variable)[part.region] = values
    assert len(files) <= 1, f"{part} is several files: {sorted(files)}"
    return next((piece.to_bytes() for piece in files.values()), None)


def find_keys(metadata: Mapping[str, str], parts: Sequence[Part]) -> list[str]:
    """Find the keys of the files that parts are written to."""
    from zarr.storage import MemoryStore

    arrays = {
        name: open_array(MemoryStore(), metadata, name) for name in {p.variable for p in parts}
    }
    return [f"{part.variable}/{_encode_place(arrays[part.variable], part)}" for part in parts]


def _encode_place(array: zarr.Array[Any], part: Part) -> str:
    sizes = array.shards or array.chunks
    place = tuple(span.start // size for span, size in zip(part.region, sizes, strict=True))
    return array.metadata.encode_chunk_key(place)


def open_array(store: Store, metadata: Mapping[str, str], name: str) -> zarr.Array[Any]:
    """Open a variable by metadata that are not in its store."""
    import zarr
    from zarr.storage import StorePath

    file = f"{name}/zarr.json" if f"{name}/zarr.json" in metadata else f"{name}/.zarray"
    return zarr.Array.from_dict(StorePath(store, name), json.loads(metadata[file]))
