"""Kinds of addresses."""

from __future__ import annotations

import re

__all__ = ["LOCAL", "REMOTE", "scheme_of"]

LOCAL = ("", "file", "local", "memory")
"""What lies on this machine."""
REMOTE = ("https", "http", "gs", "gcs", "s3")
"""What is reached by a network, and may be named by a catalog."""


def scheme_of(address: str) -> str:
    """Kind of an address; empty for a path.

    Examples
    --------
    >>> scheme_of("gs://cmip6/CMIP6")
    'gs'
    """
    found = re.match(r"([a-z0-9]+)://", address)
    return found[1] if found else ""
