"""Kinds of addresses, and how each is reached."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any

from xai4land.errors import InputError
from xai4land.options import get_options

__all__ = ["LOCAL", "REMOTE", "scheme_of", "storage_options"]

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


def storage_options(scheme: str) -> dict[str, Any] | None:
    """How to reach a kind of address: with the user's credentials, or anonymously.

    Raises
    ------
    InputError
        If the package that reads such addresses is not installed.

    Examples
    --------
    >>> storage_options("file") is None
    True
    """
    timeout = get_options().timeout
    if scheme in LOCAL:
        return None
    reader = {"gs": "gcsfs", "gcs": "gcsfs", "s3": "s3fs"}.get(scheme)
    if reader and find_spec(reader) is None:
        raise InputError(
            f"{scheme}:// is read by {reader}, which is not installed; run: pip install {reader} "
            "(part of xai4land[cloud])"
        )
    if scheme in ("gs", "gcs"):
        own = "GOOGLE_APPLICATION_CREDENTIALS" in os.environ
        return {"token": None if own else "anon", "timeout": timeout}
    if scheme == "s3":
        own = bool({"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & set(os.environ))
        times = {"connect_timeout": timeout, "read_timeout": timeout}
        return {"anon": not own, "config_kwargs": times}
    import aiohttp

    limit = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
    return {"client_kwargs": {"timeout": limit, "trust_env": True}}  # ~/.netrc, proxies
