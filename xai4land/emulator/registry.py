"""Emulators by name: those that plugins bundle, and files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from xai4land import discovery
from xai4land.discovery import emulator_files
from xai4land.emulator.emulator import AnyEmulator, Emulator
from xai4land.emulator.file import read_card
from xai4land.errors import EmulatorFileError
from xai4land.tables import Table

__all__ = ["emulators", "load_emulator"]


def load_emulator(name: str | os.PathLike[str] | AnyEmulator) -> Any:
    """Get an emulator by its bundled name, or from a ``.safetensors`` file.

    Parameters
    ----------
    name : str, path-like or emulator
        An emulator is returned as it is.

    Returns
    -------
    Emulator or another kind
        As the card says: an :class:`Emulator` makes maps of classes; plugins bring other kinds.

    Raises
    ------
    EmulatorFileError
        If there is no such emulator, or its file is broken.

    Examples
    --------
    >>> import xai4land
    >>> xai4land.load_emulator("sample-landcover").card.output
    'land_cover'
    """
    if isinstance(name, AnyEmulator):
        return name
    if not isinstance(name, str | os.PathLike):
        raise EmulatorFileError(f"{name!r} is neither an emulator, nor its name, nor a file")
    files, broken = emulator_files()
    if str(name) in broken:
        raise EmulatorFileError(broken[str(name)])
    if str(name) in files:
        return _loaded(files[str(name)])
    if Path(name).suffix == ".safetensors":
        return _loaded(Path(name))
    raise EmulatorFileError(
        f"no emulator is called {str(name)!r}; there are {', '.join(sorted(files)) or 'none'}, "
        "or give the path of a .safetensors file"
    )


def _loaded(path: Path) -> AnyEmulator:
    kind = read_card(path).kind
    found: type[AnyEmulator] = Emulator if kind == "map" else discovery.load("kinds", kind)
    return found.load(path)


def emulators() -> Table:
    """List the bundled emulators, with the reason for each that is broken.

    Examples
    --------
    >>> import xai4land
    >>> "sample-landcover" in [row["name"] for row in xai4land.emulators()]
    True
    """
    files, broken = emulator_files()
    rows = []
    for name, path in sorted(files.items()):
        row = {"name": name, "kind": "", "output": "", "target": "", "title": "", "problem": ""}
        try:
            card = read_card(path)
            row |= {
                "kind": card.kind,
                "output": card.gives.split(":")[0],
                "target": card.grid,
                "title": card.title,
                "problem": broken.pop(name, ""),
            }
        except EmulatorFileError as error:
            row["problem"] = str(error)
        rows.append(row)
    for name, reason in sorted(broken.items()):
        rows.append(
            {
                "name": name,
                "kind": "",
                "output": "",
                "target": "",
                "title": "",
                "problem": reason,
            }
        )
    return Table(rows)
