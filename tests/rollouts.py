"""Rollouts of the sample's history of land use, from its own maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xai4land.emulator import Emulator


def select_years(history: xr.Dataset, years: int | Sequence[int]) -> xr.Dataset:
    """Return states and maps of some years."""
    return history.sel(time=history.time.dt.year.isin(np.atleast_1d(years)))


def known_maps(world: xr.Dataset, years: int | Sequence[int]) -> xr.DataArray:
    """Return the true maps of some years."""
    return select_years(world, years).land_cover


def roll(world: xr.Dataset, rule: Emulator, known: int | Sequence[int], **options: Any):
    """Reconstruct all years from the true maps of some."""
    years = world.time.dt.year.values
    options = {"prior": known_maps(world, known), "years": years, "precision": "float32", **options}
    return world.ai4land.reconstruct(rule, **options)
