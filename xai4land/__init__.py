"""Coarse climate and land data into useful fields, with trained emulators, in xarray.

Importing the package registers the accessors ``ds.ai4land`` and ``ds.seasonal``; everything
heavy is imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from xai4land.discovery import plugins, register_accessors
from xai4land.errors import (
    DownloadError,
    EmulatorError,
    EmulatorFileError,
    InputError,
    PluginError,
    StoreError,
)
from xai4land.options import set_options

if TYPE_CHECKING:
    from xai4land.catalogs import open_catalog
    from xai4land.emulator import Emulator, emulators, load_emulator
    from xai4land.regridding import regrid
    from xai4land.samples import sample
    from xai4land.versions import show_versions

__version__ = version("xai4land")

__all__ = [
    "DownloadError",
    "Emulator",
    "EmulatorError",
    "EmulatorFileError",
    "InputError",
    "PluginError",
    "StoreError",
    "emulators",
    "load_emulator",
    "open_catalog",
    "plugins",
    "regrid",
    "sample",
    "set_options",
    "show_versions",
]

_LATE = {
    "Emulator": "xai4land.emulator",
    "emulators": "xai4land.emulator",
    "load_emulator": "xai4land.emulator",
    "open_catalog": "xai4land.catalogs",
    "regrid": "xai4land.regridding",
    "sample": "xai4land.samples",
    "show_versions": "xai4land.versions",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'xai4land' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_accessors()
