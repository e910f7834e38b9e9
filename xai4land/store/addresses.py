"""Addresses of stores: on this machine, or elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

from xai4land.downloads.urls import redact
from xai4land.errors import InputError

__all__ = ["CLOUD", "parse_path", "relation_of", "scheme_of", "split_address"]

SAME = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
CLOUD = ("s3", "gs", "az", *SAME)
"""Schemes of object stores in the cloud."""


def scheme_of(address: str | os.PathLike[str]) -> str:
    """Return the scheme of an address; empty for a path on this machine.

    Examples
    --------
    >>> scheme_of("s3://bucket/map.zarr"), scheme_of("map.zarr"), scheme_of("file:///map.zarr")
    ('s3', '', '')
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)(?:::.*)?://", os.fspath(address))
    scheme = found[1].lower() if found else ""
    return "" if scheme in ("file", "local") else scheme


def parse_path(path: str | os.PathLike[str]) -> Path | str:
    """Return a path on this machine as such (``~`` is the user's home), or an address.

    Raises
    ------
    InputError
        If an address has credentials in it, which would be stored with it, or could be read in
        several ways: two names of one store would be taken for two stores.

    Examples
    --------
    >>> parse_path("s3://bucket/map.zarr/")
    's3://bucket/map.zarr'
    >>> parse_path("file:///data/map.zarr") == Path("/data/map.zarr")
    True
    """
    text = os.fspath(path)
    if not scheme_of(text):
        return Path(re.sub(r"^(file|local)://", "", text)).expanduser()
    # An address of Azure names its container there: abfs://container@account/...
    user = text.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if ":" in user or (user and not text.startswith(("abfs", "az"))):
        raise InputError(
            f"{redact(text)} was given with credentials, which do not belong in an address; give "
            "them by the environment, or as storage_options"
        )
    scheme = scheme_of(text)
    if scheme not in (*CLOUD, "memory") or "::" in text:
        return text.rstrip("/")
    rest = text.partition("://")[2].strip("/" if scheme == "memory" else "")
    if problem := _find_problem(rest.rstrip("/")):
        raise InputError(f"{redact(text)!a} {problem}")
    return f"{scheme}://{rest}".rstrip("/")


def _find_problem(path: str) -> str:
    """Say why objects cannot have such a name; empty if they can."""
    if not path:
        return "names no bucket, expected such as s3://bucket/map.zarr"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return (
            "has an empty part, or one that is . or .., which object stores do not resolve; "
            "write the address without"
        )
    if "?" in path or "#" in path or not path.isprintable():
        return (
            "has ?, # or an invisible character, which addresses cannot hold; choose another name"
        )
    return ""


def split_address(url: str) -> tuple[str, str]:
    """Split an address into that of its folder, and its name.

    Raises
    ------
    InputError
        If it is but a bucket.

    Examples
    --------
    >>> split_address("s3://bucket/maps/world.zarr")
    ('s3://bucket/maps', 'world.zarr')
    """
    scheme, _, rest = url.partition("://")
    folder, slash, name = rest.rpartition("/")
    if not slash and scheme == "memory":
        return "memory://", name
    if not slash or not name:
        raise InputError(f"{url} has no name of a store, expected such as {url}/map.zarr")
    return f"{scheme}://{folder}", name


def relation_of(target: str, source: str) -> str:
    """Say how an address relates to another: the same, inside or around; empty if not at all.

    Examples
    --------
    >>> relation_of("s3://b/in.zarr/x", "s3://b/in.zarr"), relation_of("s3://b/x", "s3://b/y")
    ('inside', '')
    """
    target, source = (f"{_unify(text)}/" for text in (target, source))
    if target == source:
        return "same"
    if target.startswith(source):
        return "inside"
    return "around" if source.startswith(target) else ""


def _unify(url: str) -> str:
    """Return an address in the one way to write it; Azure's may name their account."""
    scheme, _, rest = url.partition("://")
    bucket, slash, key = rest.strip("/").partition("/")
    scheme = SAME.get(scheme.lower(), scheme.lower())
    return f"{scheme}://{bucket.partition('@')[0] if scheme == 'az' else bucket}{slash}{key}"
