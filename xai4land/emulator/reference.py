"""An emulator by reference: what a graph carries instead of the weights."""

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

    An emulator that has no file gets one in the cache folder when it is sent to another
    process.

    Parameters
    ----------
    emulator : Emulator
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator: Emulator | None = emulator
        self._place: tuple[str, str, type[Emulator]] | None = None

    @classmethod
    def _to(cls, path: str, sha256: str, kind: type[Emulator]) -> Reference:
        """As another process gets it: read when it is first needed, where an error can be told."""
        made = cls.__new__(cls)
        made._emulator, made._place = None, (path, sha256, kind)
        return made

    @property
    def emulator(self) -> Emulator:
        """The emulator; loaded once a process.

        Raises
        ------
        EmulatorFileError
            If this process cannot read its file.
        """
        if self._emulator is None:
            assert self._place is not None
            self._emulator = _loaded(*self._place)
        return self._emulator

    def __reduce__(self) -> tuple[Any, ...]:
        if self._place is not None:
            return Reference._to, self._place
        path = self.emulator.path
        if path is None or not self._lies_in(path):
            path = get_options().cache / "emulators" / f"{self.emulator.sha256}.safetensors"
            if not self._lies_in(path):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StoreError(
                        f"could not make {path.parent}: {error.strerror}; save the emulator and "
                        "load it from its file, or set XAI4LAND_CACHE to a folder that all "
                        "workers share"
                    ) from error
                self.emulator.save(path)
        return Reference._to, (str(path), self.emulator.sha256, type(self.emulator))

    def _lies_in(self, path: Path) -> bool:
        """Whether the file still holds this emulator."""
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest() == self.emulator.sha256
        except OSError:
            return False

    def __dask_tokenize__(self) -> Any:
        return self.emulator.__dask_tokenize__()


def _loaded(path: str, sha256: str, kind: type[Emulator]) -> Emulator:
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
