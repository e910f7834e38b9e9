"""What was prefetched, and where it lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from xai4land.files import file_url, write_file
from xai4land.options import get_options

__all__ = ["Copy", "choose_copy_path", "find_copy", "list_copies", "record_copy"]

Years = tuple[int, int] | None


@dataclass(frozen=True)
class Copy:
    """A copy of an asset, whole or in part.

    Attributes
    ----------
    address : str
        What was copied.
    path : Path
        Where it lies.
    variables : tuple of str
        Which were copied; empty if all.
    years : tuple of int, optional
        First and last year that were asked for; None if all.
    """

    address: str
    path: Path
    variables: tuple[str, ...] = ()
    years: Years = None

    @property
    def place(self) -> str:
        """What a catalog calls it."""
        return file_url(self.path)

    def holds(self, variables: Collection[str], years: Years = None) -> bool:
        """Tell whether it has variables, and years if any are given.

        Examples
        --------
        >>> copy = Copy("gs://a/b", Path("/b"), ("tas",), (1980, 1999))
        >>> copy.holds(["tas"]), copy.holds(["tas"], (1990, 2000)), copy.holds(["pr"])
        (True, False, False)
        """
        if self.variables and not (variables and set(variables) <= set(self.variables)):
            return False
        if years is None or self.years is None:
            return True
        return self.years[0] <= years[0] and years[1] <= self.years[1]


def find_copy(
    copies: Collection[Copy], variables: Collection[str], years: Years = None
) -> Copy | None:
    """Find the copy that has what is asked for, and the most years; None if there is none."""

    def span(copy: Copy) -> float:
        return float("inf") if copy.years is None else copy.years[1] - copy.years[0]

    return max((c for c in copies if c.holds(variables, years)), key=span, default=None)


def choose_copy_path(address: str, variables: Collection[str] = (), years: Years = None) -> Path:
    """Choose where the copy of a Zarr store goes; the name tells the end of its address.

    Examples
    --------
    >>> choose_copy_path("gs://cmip6/CMIP6/CMIP/tas/gn/v20190710/").name
    '6481cd8434dc-tas-gn-v20190710.zarr'
    """
    words = [word.removesuffix(".zarr") for word in address.rstrip("/").split("/") if word]
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in "-".join(words[-3:]))
    digest = _hash_request(address, variables, years)
    span = "" if years is None else f"-{years[0]}-{years[1]}"
    return _copies_folder() / f"{digest}-{kept[-80:]}{span}.zarr"


def record_copy(copy: Copy) -> None:
    """Record that there is a whole copy of what was asked for."""
    note = _copies_folder() / f"{_hash_request(copy.address, copy.variables, copy.years)}.json"
    write_file(note, json.dumps(asdict(copy) | {"path": str(copy.path)}))


def list_copies() -> dict[str, list[Copy]]:
    """List the copies that are here, by the address of what was copied.

    Examples
    --------
    >>> isinstance(list_copies(), dict)
    True
    """
    found: dict[str, list[Copy]] = {}
    for note in sorted(_copies_folder().glob("*.json")):
        try:
            content = json.loads(note.read_text("utf-8"))
            years = content["years"] and (int(content["years"][0]), int(content["years"][1]))
            copy = Copy(
                str(content["address"]),
                Path(content["path"]),
                tuple(map(str, content["variables"])),
                years,
            )
        except (ValueError, KeyError, TypeError, IndexError, OSError):
            continue  # not one of ours
        if copy.path.exists():
            found.setdefault(copy.address, []).append(copy)
    return found


def _copies_folder() -> Path:
    return get_options().cache / "copies"


def _hash_request(address: str, variables: Collection[str] = (), years: Years = None) -> str:
    what = [address, *sorted(variables), *map(str, years or ())]
    return hashlib.sha256("\n".join(what).encode()).hexdigest()[:12]
