"""What may be replaced by a store: a store that is no input of the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr

from xai4land.adapters.xarray import find_files
from xai4land.errors import StoreError
from xai4land.files import write_file
from xai4land.options import get_options
from xai4land.store.addresses import relation_of
from xai4land.store.manifest import ROOTS

__all__ = [
    "check_target",
    "note_fingerprint",
    "note_finished",
    "read_fingerprint",
    "read_finished",
    "refuse_addresses",
    "refuse_existing",
    "refuse_inputs",
]


def check_target(data: xr.Dataset, path: Path) -> None:
    """Refuse to write over, into, or around the files that a dataset is read from.

    Values in memory need their files no more: whoever asks for ``overwrite`` may replace these.

    Raises
    ------
    StoreError
    """
    refuse_inputs(path, find_files(data))


def refuse_inputs(path: Path, inputs: Collection[Path]) -> None:
    """Refuse to write over, into, or around some files or stores.

    Parameters
    ----------
    path : Path
        Of the result.
    inputs : collection of Path
        Resolved.

    Raises
    ------
    StoreError
    """
    whole = path.resolve()
    for source in sorted(inputs):
        if whole == source:
            relation = "is an input of this run, which would be lost"
        elif source in whole.parents:
            relation = f"lies inside {source}, an input of this run"
        elif whole in source.parents:
            relation = f"contains {source}, an input of this run, which would be lost"
        else:
            continue
        raise StoreError(f"{path} {relation}; choose another name")


def refuse_addresses(url: str, inputs: Collection[str]) -> None:
    """Refuse to write over, into, or around what lies at some addresses.

    Parameters
    ----------
    url : str
        Of the result.
    inputs : collection of str

    Raises
    ------
    StoreError
    """
    for source in sorted(inputs):
        relation = {
            "same": "is an input of this run, which would be lost",
            "inside": f"lies inside {source}, an input of this run",
            "around": f"contains {source}, an input of this run, which would be lost",
        }.get(relation_of(url, source))
        if relation:
            raise StoreError(f"{url} {relation}; choose another name")


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse to replace what exists: a store without ``overwrite``, anything else always.

    Raises
    ------
    StoreError
    """
    if path.is_dir() and not is_store(path) and (inside := sorted(p.name for p in path.iterdir())):
        raise StoreError(
            f"{path} is a folder that holds no store, but {', '.join(inside[:3])}"
            f"{', ...' if len(inside) > 3 else ''}; choose another name"
        )
    if path.suffix == ".zarr" and path.is_file():
        raise StoreError(f"{path} is a file, expected a Zarr store; choose another name")
    if path.suffix == ".nc" and path.is_dir():
        raise StoreError(f"{path} is a folder, expected a NetCDF file; choose another name")
    if path.exists() and not overwrite:
        raise StoreError(f"{path} exists; choose another name, or overwrite=True")


def is_store(folder: Path) -> bool:
    """Tell whether a folder is a Zarr store, whole or not, of either format."""
    marks = (*ROOTS, ".zattrs", ".zarray")
    return any((folder / name).exists() for name in marks) or any(
        (entry / name).exists() for name in ("zarr.json", ".zarray") for entry in folder.iterdir()
    )


def note_finished(path: Path, fingerprint: str) -> None:
    """Note in the cache folder which run a finished store is of; not in the store, which is data.

    Without a cache folder that can be written, the same run is refused like any other.
    """
    with suppress(OSError):
        note_fingerprint(str(path.resolve()), _mark(path), fingerprint)


def read_finished(path: Path) -> str | None:
    """Return the fingerprint of the run that has finished this very store; None if unknown."""
    try:
        return read_fingerprint(str(path.resolve()), _mark(path))
    except (OSError, IndexError):
        return None


def note_fingerprint(place: str, mark: Any, fingerprint: str) -> None:
    """Note a fingerprint of what lies at a place, and a mark that another store would not have.

    Raises
    ------
    OSError
        If nothing can be written in the cache folder.
    """
    note = _note_of(place)
    note.parent.mkdir(parents=True, exist_ok=True)
    write_file(note, json.dumps({"fingerprint": fingerprint, "mark": mark}))


def read_fingerprint(place: str, mark: Any) -> str | None:
    """Read the fingerprint that was noted of a place with this mark; None if there is none."""
    try:
        note = json.loads(_note_of(place).read_text())
        return str(note["fingerprint"]) if note["mark"] == mark else None
    except (OSError, ValueError, KeyError):
        return None


def _note_of(place: str) -> Path:
    name = hashlib.sha256(place.encode()).hexdigest()[:32]
    return get_options().cache / "stores" / f"{name}.json"


def _mark(path: Path) -> list[int]:
    """Return what changes when a store is replaced by another."""
    roots = [path / name for name in ROOTS if (path / name).exists()] if path.is_dir() else [path]
    found = roots[0].stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns]
