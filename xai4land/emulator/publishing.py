"""Publish an emulator: write what users need to know of its file into a registry."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pydantic import ValidationError

from xai4land.emulator.registry import Entry, Registry, read_registry
from xai4land.errors import InputError
from xai4land.files import translate_os_errors, write_file

__all__ = ["publish"]


def publish(
    file: str | os.PathLike[str],
    registry: str | os.PathLike[str],
    *,
    version: str,
    url: str = "",
    name: str = "",
) -> str:
    """Write an emulator's file into a registry, which is made if there is none.

    Parameters
    ----------
    file : str or path-like
        The ``.safetensors`` file.
    registry : str or path-like
        The registry's JSON file on this machine; upload it, and the file, afterwards.
    version : str
        As for Python packages. A version that the registry has is refused, since users may have it.
    url : str
        Where users get the file, ``https://…``. By default from beside the registry: the file
        must lie in the registry's folder, or below it.
    name : str
        Of a new registry, by default that of its folder.

    Returns
    -------
    str
        SHA-256 of the registry's file, which belongs to its address: ``https://…#sha256=…``.

    Raises
    ------
    InputError
        If version, address or name cannot be, the registry has the version, or the file lies
        elsewhere and ``url`` is missing.
    EmulatorFileError
        If the file is no emulator, or the registry is none.
    StoreError
        If the registry cannot be written.

    Examples
    --------
    >>> import tempfile, xai4land
    >>> folder = Path(tempfile.mkdtemp())
    >>> emulator = xai4land.load_emulator("sample-landcover")
    >>> emulator.save(folder / "mine-1.0.safetensors")
    >>> digits = publish(folder / "mine-1.0.safetensors", folder / "registry.json",
    ...                  version="1.0", name="lab")
    >>> with xai4land.set_options(registries=[folder / "registry.json"]):
    ...     xai4land.load_emulator("lab:sample-landcover@1.0").sha256 == emulator.sha256
    True
    """
    file, place = Path(file), Path(registry)
    try:
        entry = Entry.of_file(file, version, url or _find_path_below(file, place.parent))
        before = _read_or_make(place, name)
        after = Registry(name=before.name, emulators=(*before.emulators, entry))
    except ValidationError as error:
        raise InputError(e["msg"].removeprefix("Value error, ") for e in error.errors()) from None
    content = after.model_dump_json(indent=2).encode() + b"\n"
    with translate_os_errors(place, "choose a folder that can be written"):
        write_file(place, content)
    return hashlib.sha256(content).hexdigest()


def _find_path_below(file: Path, folder: Path) -> str:
    """Return the path of a file relative to the folder that it must be in."""
    try:
        return file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise InputError(
            f"{file} is not in {folder.resolve()}, where the registry is; move it there, or give "
            "url='https://...'"
        ) from None


def _read_or_make(place: Path, name: str) -> Registry:
    """Read a registry, or make an empty one; a name that is given must be its own."""
    if not place.exists():
        return Registry(name=name or place.resolve().parent.name, emulators=())
    found = read_registry(str(place), download=False)
    if name not in ("", found.name):
        raise InputError(f"{place} is the registry {found.name!r}, not {name!r}; leave name= out")
    return found
