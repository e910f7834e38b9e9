"""How an address is reached."""

from __future__ import annotations

import os
from typing import Any

from xai4land.options import get_options
from xai4land.schemes import LOCAL

__all__ = ["storage_options"]


def storage_options(scheme: str) -> dict[str, Any] | None:
    """How to reach a kind of address: with the user's credentials, or anonymously.

    Examples
    --------
    >>> storage_options("file") is None
    True
    """
    timeout = get_options().timeout
    if scheme in LOCAL:
        return None
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
