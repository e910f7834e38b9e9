"""What was prefetched, and where it lies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from xai4land.options import current

__all__ = ["copy_place", "local_copies", "note_copy"]


def copy_place(address: str) -> Path:
    """Where the copy of a Zarr store goes; the name tells the end of its address.

    Examples
    --------
    >>> copy_place("gs://cmip6/CMIP6/CMIP/tas/gn/v20190710/").name
    '6481cd8434dc-tas-gn-v20190710.zarr'
    """
    words = [word.removesuffix(".zarr") for word in address.rstrip("/").split("/") if word]
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in "-".join(words[-3:]))
    return _folder() / f"{_digest(address)}-{kept[-80:]}.zarr"


def note_copy(address: str, path: Path) -> None:
    """Remember that ``path`` is a whole copy of ``address``."""
    note = _folder() / f"{_digest(address)}.json"
    partial = note.with_suffix(".part")
    partial.write_text(json.dumps({"address": address, "path": str(path)}))
    partial.replace(note)


def local_copies() -> dict[str, Path]:
    """Addresses whose copies are here, and where.

    Examples
    --------
    >>> isinstance(local_copies(), dict)
    True
    """
    found = {}
    for note in _folder().glob("*.json"):
        try:
            content = json.loads(note.read_text())
            address, path = str(content["address"]), Path(content["path"])
        except (ValueError, KeyError, TypeError, OSError):
            continue  # not one of ours
        if path.exists():
            found[address] = path
    return found


def _folder() -> Path:
    return current().cache / "copies"


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:12]
