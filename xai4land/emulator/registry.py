"""Emulators by name: those that plugins bundle, and files."""

from __future__ import annotations

import os
from pathlib import Path

from xai4land.discovery import emulator_files
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.file import read_card
from xai4land.errors import EmulatorFileError
from xai4land.tables import Table

__all__ = ["emulators", "load_emulator"]


def load_emulator(name: str | os.PathLike[str] | Emulator) -> Emulator:
    """Get an emulator by its bundled name, or from a ``.safetensors`` file.

    Parameters
    ----------
    name : str, path-like or Emulator
        An emulator is returned as it is.

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
    if isinstance(name, Emulator):
        return name
    if not isinstance(name, str | os.PathLike):
        raise EmulatorFileError(f"{name!r} is neither an emulator, nor its name, nor a file")
    files, broken = emulator_files()
    if str(name) in broken:
        raise EmulatorFileError(broken[str(name)])
    if str(name) in files:
        return Emulator.load(files[str(name)])
    if Path(name).suffix == ".safetensors":
        return Emulator.load(name)
    raise EmulatorFileError(
        f"no emulator is called {str(name)!r}; there are {', '.join(sorted(files)) or 'none'}, "
        "or give the path of a .safetensors file"
    )


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
        row = {"name": name, "output": "", "target": "", "title": "", "problem": ""}
        try:
            card = read_card(path)
            row |= {
                "output": card.output,
                "target": f"{card.resolution.target:g}°",
                "title": card.title,
                "problem": broken.pop(name, ""),
            }
        except EmulatorFileError as error:
            row["problem"] = str(error)
        rows.append(row)
    for name, reason in sorted(broken.items()):
        rows.append({"name": name, "output": "", "target": "", "title": "", "problem": reason})
    return Table(rows)
