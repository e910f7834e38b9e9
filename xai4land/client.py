"""The active client of dask.distributed, if there is one."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["client_workers"]


def client_workers() -> dict[str, Any] | None:
    """What the active client's scheduler knows of its workers, by address; none without a client.

    The package is not imported for that: without it there is no client.
    """
    try:
        client = sys.modules["distributed"].default_client()
    except (KeyError, ValueError):
        return None
    return dict(client.scheduler_info(n_workers=-1)["workers"])
