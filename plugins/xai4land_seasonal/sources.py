"""The worlds that an emulator learns from, each with a name."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xai4land.errors import InputError

__all__ = ["Simulations", "split_sources"]

Simulations = xr.Dataset | Mapping[str, xr.Dataset] | None
DIMENSIONS = ("source_id", "member_id")


def split_sources(data: xr.Dataset | Mapping[str, xr.Dataset]) -> list[tuple[str, xr.Dataset]]:
    """One dataset for each source and member, each with a name.

    Parameters
    ----------
    data : Dataset, or mapping from str to Dataset
        With or without dimensions ``source_id`` and ``member_id``.

    Examples
    --------
    >>> field = xr.DataArray([[1.0], [2.0]], {"source_id": ["A", "B"]}, ("source_id", "time"))
    >>> [name for name, _ in split_sources(xr.Dataset({"tas": field}))]
    ['A', 'B']
    """
    if not isinstance(data, xr.Dataset):
        if not data:
            raise InputError("no simulation is given; leave simulations= out")
        return [
            (key if name == "the data" else f"{key} {name}", one)
            for key, many in data.items()
            for name, one in split_sources(many)
        ]
    found = [("", data)]
    for dim in DIMENSIONS:
        if dim in data.dims:
            labels = data[dim].values if dim in data.coords else range(data.sizes[dim])
            found = [
                (f"{name} {label}".strip(), one.isel({dim: k}, drop=True))
                for name, one in found
                for k, label in enumerate(labels)
            ]
    own = str(data.attrs.get("source_id", "")) or "the data"
    return [(name or own, one) for name, one in found]
