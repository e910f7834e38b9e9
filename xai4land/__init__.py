"""Turn coarse climate and land data into useful fields with trained emulators, in xarray.

Importing the package registers the accessors ``ds.ai4land`` and ``ds.seasonal``; everything
heavy is imported at first use.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

from xai4land.adapters.proj import load_pyproj_first
from xai4land.discovery import plugins, register_accessors
from xai4land.errors import (
    CouplingError,
    DownloadError,
    EmulatorError,
    EmulatorFileError,
    InputError,
    InputWarning,
    PluginError,
    StoreError,
    StoreWarning,
    TrainingWarning,
    Xai4landError,
    Xai4landWarning,
)
from xai4land.lazy import import_lazily
from xai4land.options import set_options

if TYPE_CHECKING:
    from xai4land.catalogs import open_catalog
    from xai4land.emulator import Emulator, emulators, load_emulator
    from xai4land.explaining.explain import explain
    from xai4land.regridding import regrid
    from xai4land.samples import sample
    from xai4land.store import open_store, write
    from xai4land.typing import with_accessors
    from xai4land.versions import show_versions

__version__ = version("xai4land")

# Quiet until the user sets up logging, as libraries should be.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "CouplingError",
    "DownloadError",
    "Emulator",
    "EmulatorError",
    "EmulatorFileError",
    "InputError",
    "InputWarning",
    "PluginError",
    "StoreError",
    "StoreWarning",
    "TrainingWarning",
    "Xai4landError",
    "Xai4landWarning",
    "emulators",
    "explain",
    "load_emulator",
    "open_catalog",
    "open_store",
    "plugins",
    "regrid",
    "sample",
    "set_options",
    "show_versions",
    "with_accessors",
    "write",
]

__getattr__, __dir__ = import_lazily(
    __name__,
    {
        "Emulator": ".emulator",
        "emulators": ".emulator",
        "explain": ".explaining.explain",
        "load_emulator": ".emulator",
        "open_catalog": ".catalogs",
        "open_store": ".store",
        "regrid": ".regridding",
        "sample": ".samples",
        "show_versions": ".versions",
        "with_accessors": ".typing",
        "write": ".store",
    },
)

load_pyproj_first()
register_accessors()
