"""An emulator by reference: what a graph contains instead of the weights."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from xai4land.emulator.emulator import Emulator
from xai4land.errors import EmulatorFileError, StoreError
from xai4land.options import get_options

__all__ = ["Reference"]

_LOADED: dict[str, Emulator] = {}
_LOCK = threading.Lock()


class Reference:
    """An emulator that other processes load from its file, whatever the size of its weights.

    An emulator without a file is saved in the cache folder when it is sent to another process.

    Parameters
    ----------
    emulator : Emulator
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator: Emulator | None = emulator
        self._file: tuple[str, str, type[Emulator]] | None = None

    @classmethod
    def _from_file(cls, path: str, sha256: str, kind: type[Emulator]) -> Reference:
        """Return a reference to a file; it is read at first use, where errors are reported."""
        reference = cls.__new__(cls)
        reference._emulator, reference._file = None, (path, sha256, kind)
        return reference

    @property
    def emulator(self) -> Emulator:
        """The emulator; loaded once per process.

        Raises
        ------
        EmulatorFileError
            If this process cannot read its file.
        """
        if self._emulator is None:
            assert self._file is not None
            self._emulator = _load_once(*self._file)
        return self._emulator

    def __reduce__(self) -> tuple[Any, ...]:
        if self._file is not None:
            return Reference._from_file, self._file
        path = self.emulator.path
        if path is None or not self._is_stored_in(path):
            path = get_options().cache / "emulators" / f"{self.emulator.sha256}.safetensors"
            if not self._is_stored_in(path):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StoreError(
                        f"could not make {path.parent}: {error.strerror}; save the emulator and "
                        "load it from its file, or set XAI4LAND_CACHE to a folder that all "
                        "workers share"
                    ) from error
                self.emulator.save(path)
        return Reference._from_file, (str(path), self.emulator.sha256, type(self.emulator))

    def _is_stored_in(self, path: Path) -> bool:
        """Tell whether the file contains this emulator."""
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest() == self.emulator.sha256
        except OSError:
            return False

    def __dask_tokenize__(self) -> Any:
        return self.emulator.__dask_tokenize__()


def _load_once(path: str, sha256: str, kind: type[Emulator]) -> Emulator:
    with _LOCK:
        if sha256 not in _LOADED:
            try:
                _LOADED[sha256] = kind.load(path, sha256)
            except EmulatorFileError as error:
                raise EmulatorFileError(
                    f"this worker cannot load the emulator: {error}; it must lie where all workers "
                    "can read it: save it there and load it, or set XAI4LAND_CACHE to a shared "
                    "folder"
                ) from error
        return _LOADED[sha256]
