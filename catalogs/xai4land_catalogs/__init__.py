"""Catalogs of data: descriptions and tables as intake-esm reads them, and no code.

Each name is the path of a catalog's JSON, offered under the entry point group
``xai4land.catalogs``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["CMIP6", "ERA5", "LAND"]

CMIP6 = Path(__file__).with_name("cmip6.json")
ERA5 = Path(__file__).with_name("era5.json")
LAND = Path(__file__).with_name("land.json")
