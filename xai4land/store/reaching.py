"""Which library reaches the objects of an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xai4land.errors import InputError
from xai4land.store.addresses import CLOUD, scheme_of
from xai4land.store.clouds import open_cloud
from xai4land.store.objects import Objects

__all__ = ["WRITABLE", "open_objects"]

WRITABLE = (*CLOUD, "memory")
"""Schemes of addresses that stores can be written to."""


def open_objects(
    url: str, options: Mapping[str, Any] | None = None, read_only: bool = False
) -> Objects:
    """Open the objects under an address.

    Parameters
    ----------
    url : str
        Of the folder.
    options : mapping, optional
        How to reach it, in fsspec's names; see :func:`xai4land.store.clouds.open_cloud`.
    read_only : bool

    Raises
    ------
    InputError
        If objects of such addresses cannot be written, or the options are unknown.
    """
    scheme = scheme_of(url)
    if scheme == "memory":
        from xai4land.store.memory import MemoryObjects

        if options:
            raise InputError(f"storage_options={sorted(options)}: memory:// has none; leave it out")
        return MemoryObjects(url)
    return open_cloud(url, options or {}, read_only)
