"""Places in object stores for tests: this process's memory, and an S3 server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from xai4land.store import open_store, write
from xai4land.store.objects import Objects
from xai4land.store.reaching import open_objects

REASON = "needs an S3 server: pip install 'moto[s3]' flask flask-cors"
MARK_NAMES = ("zarr.json", ".zarray", ".zgroup", ".zmetadata", ".zattrs")


class Place:
    """A folder of its own in an object store."""

    def __init__(self, root: str, options: dict[str, Any] | None) -> None:
        self.url, self.options = f"{root}/{uuid4().hex[:8]}", options

    def write(self, data: xr.Dataset, name: str = "map.zarr", **how: Any) -> str:
        how = {"progress": False, "storage_options": self.options, **how}
        return write(data, f"{self.url}/{name}", **how)

    def open(self, name: str = "map.zarr", **how: Any) -> xr.Dataset:
        return open_store(f"{self.url}/{name}", storage_options=self.options, **how)

    @property
    def objects(self) -> Objects:
        return open_objects(self.url, self.options)

    def files(self, name: str = "map.zarr") -> dict[str, bytes]:
        """What is in each object of a store."""
        keys = self.objects.list(name)
        return {key.removeprefix(f"{name}/"): self.objects.read(key).content for key in keys}

    def names(self) -> set[str]:
        """What is in the folder: stores, files, and what is left of runs."""
        return {key.partition("/")[0] for key in self.objects.list("")}

    def done(self, name: str = "map.zarr") -> int:
        """How many parts an unfinished store says it has."""
        return len(self.objects.list(f"{name}.partial/done"))


@contextmanager
def start_s3() -> Iterator[Any]:
    """Start a server; tests are skipped where there is none."""
    pytest.importorskip("moto.server", reason=REASON)
    pytest.importorskip("obstore", reason="needs obstore: pip install 'xai4land[cloud]'")
    from s3_server import S3Server

    server = S3Server()
    try:
        yield server
    finally:
        server.close()


def use_keys(server: Any, monkeypatch: Any, home: Any) -> Place:
    """Put a server's address and keys into the environment, as users do; return a folder there."""
    from s3_server import KEY, SECRET

    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return Place("s3://bucket", server.options)


def plain(size: int = 20, chunk: int = 10, name: str = "plain") -> tuple[xr.Dataset, list[Any]]:
    """Two variables whose chunks come from the same tasks; what was computed is in the list."""
    seen: list[Any] = []

    def block(values: Any, block_info: Any = None) -> Any:
        seen.append(block_info[0]["chunk-location"])
        return values + 1

    base = da.from_array(np.arange(size * size).reshape(size, size), chunks=chunk, name=name)
    both = da.map_blocks(block, base, meta=np.empty((0, 0), int), name=f"{name}-block")
    return xr.Dataset({"a": (("y", "x"), both), "b": (("y", "x"), 2 * both)}), seen


def call_in(act: Any, where: tuple[int, int], name: str = "plain") -> xr.Dataset:
    """As ``plain``, but one block calls a function before it is made."""

    def block(values: Any, block_info: Any = None) -> Any:
        if block_info[0]["chunk-location"] == where:
            act()
        return values + 1

    base = da.from_array(np.arange(400).reshape(20, 20), chunks=10, name=name)
    both = da.map_blocks(block, base, meta=np.empty((0, 0), int), name=f"{name}-block")
    return xr.Dataset({"a": (("y", "x"), both), "b": (("y", "x"), 2 * both)})
