"""Paths that commands take, checked before the work begins."""

from __future__ import annotations

from pathlib import Path

import click

from xai4land.errors import InputError, StoreError

__all__ = ["EXISTING", "WRITTEN", "check_folder", "check_picture"]

EXISTING = click.Path(exists=True, path_type=Path)
WRITTEN = click.Path(path_type=Path)


def check_folder(path: Path) -> None:
    """Look before the work whether its result can be put there.

    Raises
    ------
    StoreError
        If the folder is not there.
    """
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent}; make it first")


def check_picture(path: Path) -> None:
    """The same for a picture, which needs a known ending.

    Raises
    ------
    StoreError
        If the folder is not there.
    InputError
        If the ending is not one of a picture.
    """
    check_folder(path)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"{path} is no picture's name; end it in .png, .pdf or .svg")
