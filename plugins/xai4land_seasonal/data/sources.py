"""The sources that an emulator learns from, each with a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.data.monthly import as_dataset

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["Simulations", "name_model", "split_sources"]

Simulations: TypeAlias = "xr.Dataset | Mapping[str, xr.Dataset] | esm_datastore | None"
SOURCE_DIMS = ("source_id", "member_id")


def split_sources(data: Any) -> list[tuple[str, xr.Dataset]]:
    """Split data into one dataset for each source and member, each with a name.

    Parameters
    ----------
    data : Dataset, mapping from str to Dataset, or intake_esm.esm_datastore
        With or without dimensions ``source_id`` and ``member_id``; members that the coordinate
        ``simulated`` marks as missing are left out. A search in a catalog is opened with
        :func:`xai4land.catalogs.open_simulations`.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> field = xr.DataArray([[1.0], [2.0]], {"source_id": ["A", "B"]}, ("source_id", "time"))
    >>> [name for name, _ in split_sources(xr.Dataset({"tas": field}))]
    ['A', 'B']
    """
    if hasattr(data, "to_dataset_dict"):  # itself a mapping, of unopened sources
        from xai4land.catalogs import open_simulations

        data = open_simulations(data)
        return list(data.items())
    if not isinstance(data, Mapping):
        data = as_dataset(data)
    if not isinstance(data, xr.Dataset):
        if not data:
            raise InputError("no simulation is given; leave simulations= out")
        return [
            (f"{key} {label}".strip(), one)
            for key, many in data.items()
            for label, one in (
                _split_dims(many) if isinstance(many, xr.Dataset) else split_sources(many)
            )
        ]
    default = str(data.attrs.get("source_id", "")) or "the data"
    return [(label or default, one) for label, one in _split_dims(data)]


def name_model(data: xr.Dataset) -> str:
    """Return the climate model that data are of, as CMIP names it; empty if they do not say.

    Examples
    --------
    >>> name_model(xr.Dataset(attrs={"source_id": "ACCESS-ESM1-5"}))
    'ACCESS-ESM1-5'
    """
    return str(data.attrs.get("source_id") or data.attrs.get("model_id") or "").strip()


def _split_dims(data: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """Split a dataset along source and member; the label is empty where it has neither."""
    found = [("", data)]
    for dim in SOURCE_DIMS:
        if dim in data.dims:
            labels = data[dim].values if dim in data.coords else range(data.sizes[dim])
            found = [
                (f"{name} {label}".strip(), one.isel({dim: k}).drop_vars(dim, errors="ignore"))
                for name, one in found
                for k, label in enumerate(labels)
            ]
    return [
        (name, one.drop_vars("simulated", errors="ignore"))
        for name, one in found
        if _is_simulated(one)
    ]


def _is_simulated(one: xr.Dataset) -> bool:
    return bool(np.all(one.coords.get("simulated", True)))
