"""Where a store grows: on a disk, or in an object store; the one thing that knows which."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.store.addresses import parse_path, scheme_of
from xai4land.store.bucket import BucketPlace
from xai4land.store.disk import DiskPlace
from xai4land.store.manifest import Manifest
from xai4land.store.parts import Part
from xai4land.store.reaching import WRITABLE

__all__ = ["Place", "find_place"]


class Place(Protocol):
    """Where a store grows, and gets its name when it is whole.

    Workers elsewhere get a copy.
    """

    partial_name: str

    @property
    def path(self) -> Path | str:
        """Where the finished store is."""

    def check(self, data: xr.Dataset) -> None:
        """Refuse a place that cannot be, or that the dataset is read from."""

    def refuse_existing(self, overwrite: bool) -> None:
        """Refuse to replace a store without ``overwrite``, anything else always."""

    def read_finished(self) -> str | None:
        """Return the fingerprint of the run that has finished the store; None if unknown."""

    def note_finished(self, fingerprint: str) -> None:
        """Note which run has finished the store."""

    def hold(self) -> AbstractContextManager[Any]:
        """Hold the place for one run."""

    def begin(
        self, stored: xr.Dataset, wanted: Manifest, overwrite: bool
    ) -> tuple[str, list[Part]]:
        """Begin or go on with an unfinished store; return the run's mark, and what is left.

        The mark is what writers of parts show.
        """

    def write_part(self, run: str, part: Part, values: np.ndarray) -> None:
        """Write a part, and note that it is done; refuse if the run is over."""

    def read_region(self, run: str, variable: str, region: tuple[slice, ...]) -> np.ndarray:
        """Read a region of a variable of the unfinished store, as it is stored."""

    def finish(self, stored: xr.Dataset, overwrite: bool) -> None:
        """Give the store its name."""

    def remove_if_empty(self) -> None:
        """Remove an unfinished store in which nothing is finished."""


def find_place(
    path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> Place:
    """Find the place of a store.

    Parameters
    ----------
    path : path-like
        A path, or an address of an object store.
    storage_options : mapping, optional
        How to reach an object store.

    Raises
    ------
    InputError
        If nothing can be written to such an address.
    """
    place = parse_path(path)
    if isinstance(place, Path):
        if storage_options:
            raise InputError(
                f"{place} is on this machine, which has no storage_options; leave them out"
            )
        return DiskPlace(place)
    if scheme_of(place) not in WRITABLE:
        raise InputError(
            f"{place} cannot be written to, expected a path, or an address of s3://, gs://, az:// "
            "or memory://; write to one of these and copy it"
        )
    return BucketPlace(place, storage_options)
