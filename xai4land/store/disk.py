"""A store that grows in a folder on a disk, and is renamed when it is whole."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import StoreError
from xai4land.files import move_into_place
from xai4land.store import manifest, netcdf
from xai4land.store.locks import hold_run, pause_writers, record_part, translate_store_errors
from xai4land.store.manifest import STORE, Manifest
from xai4land.store.parts import Part, split_into_parts
from xai4land.store.pieces import make_empty
from xai4land.store.targets import check_target, note_finished, read_finished, refuse_existing

__all__ = ["DiskPlace"]


class DiskPlace:
    """A path; see :class:`xai4land.store.places.Place`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Absolute, for workers elsewhere.
        self.partial = path.absolute().with_name(path.name + ".partial")
        self.partial_name = self.partial.name

    def check(self, data: xr.Dataset) -> None:
        """Refuse a place that cannot be, or that the dataset is read from."""
        if not self.path.parent.is_dir():
            raise StoreError(f"there is no folder {self.path.parent}; make it first")
        check_target(data, self.path)

    def refuse_existing(self, overwrite: bool) -> None:
        """Refuse to replace a store without ``overwrite``, anything else always."""
        refuse_existing(self.path, overwrite)

    def read_finished(self) -> str | None:
        """Return the fingerprint of the run that has finished the store; None if unknown."""
        return read_finished(self.path)

    def note_finished(self, fingerprint: str) -> None:
        """Note which run has finished the store."""
        note_finished(self.path, fingerprint)

    def hold(self) -> AbstractContextManager[None]:
        """Hold the place for one run."""
        with translate_store_errors(self.partial):
            self.partial.mkdir(exist_ok=True)
        return hold_run(self.partial)

    def begin(
        self, stored: xr.Dataset, wanted: Manifest, overwrite: bool
    ) -> tuple[str, list[Part]]:
        """Begin or go on with an unfinished store; return the run's mark, and what is left."""
        with translate_store_errors(self.partial), pause_writers(self.partial):
            return wanted.fingerprint, self._begin(stored, wanted, overwrite)

    def _begin(self, stored: xr.Dataset, wanted: Manifest, overwrite: bool) -> list[Part]:
        found = Manifest.read(self.partial)
        begun = found is not None and bool(manifest.read_done(self.partial))
        if found is not None and begun and not overwrite:
            found.refuse_other(wanted, self.partial)
        # Killed between the last rename and the clean-up, a run leaves a manifest without a store.
        if found != wanted or not (self.partial / STORE).is_dir():
            if self.path.suffix == ".nc":
                netcdf.check(stored, self.partial / "first.nc")
            manifest.begin(self.partial)
            make_empty(stored, self.partial / STORE)
            manifest.hide(self.partial)
            wanted.write(self.partial)
        done = manifest.read_done(self.partial)
        return [part for part in split_into_parts(stored) if part.label not in done]

    def write_part(self, run: str, part: Part, values: np.ndarray) -> None:
        """Write a part, and note that it is done; refuse if the run is over."""
        with (
            translate_store_errors(self.partial),
            record_part(self.partial, run, part.label),
        ):
            _open_array(str(self.partial), part.variable, run)[part.region] = values

    def read_region(self, run: str, variable: str, region: tuple[slice, ...]) -> np.ndarray:
        """Read a region of a variable of the unfinished store, as it is stored."""
        with translate_store_errors(self.partial):
            return np.asarray(_open_array(str(self.partial), variable, run)[region])

    def finish(self, stored: xr.Dataset, overwrite: bool) -> None:
        """Give the store its name."""
        with translate_store_errors(self.partial), pause_writers(self.partial):
            manifest.reveal(self.partial)
            whole = self.partial / STORE
            if self.path.suffix == ".nc":
                whole = self.partial / "whole.nc"
                netcdf.to_netcdf(stored, self.partial / STORE, whole)
            refuse_existing(self.path, overwrite)
            move_into_place(whole, self.path, aside=self.partial / "replaced")
            manifest.remove(self.partial)

    def remove_if_empty(self) -> None:
        """Remove an unfinished store in which nothing is finished."""
        with suppress(OSError), pause_writers(self.partial):
            if not manifest.read_done(self.partial) and manifest.list_foreign(self.partial) == []:
                manifest.remove(self.partial)


@lru_cache(maxsize=64)
def _open_array(folder: str, name: str, _fingerprint: str) -> Any:
    """Open a variable once a process; the fingerprint stands for its layout."""
    import zarr

    return zarr.open_array(f"{folder}/{STORE}/{name}", mode="r+")
