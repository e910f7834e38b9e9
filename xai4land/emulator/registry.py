"""The registry file: which emulators a publisher has, where they lie, and their hashes.

It is JSON, written by others: data that is checked, never trusted.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urljoin

from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, Field, ValidationError, model_validator

from xai4land.downloads import cached_path, fetch, split_hash
from xai4land.downloads.urls import find_problem, is_url, redact
from xai4land.emulator.file import read_bytes, read_card
from xai4land.emulator.schema import Schema
from xai4land.errors import EmulatorFileError, InputError

__all__ = ["Entry", "Registry", "display_place", "locate", "read_registry", "split_sha256"]

MAX_BYTES = 4 * 1024 * 1024
# Below the registry's own place: no scheme, no root, no step up, nothing encoded.
RELATIVE_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def _check_version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion:
        raise ValueError(f"{text!r} is no version; expected one like 1.2.0") from None
    return text


def _check_address(text: str) -> str:
    if is_url(text):
        if found := find_problem(text):
            raise ValueError(f"{redact(text)} cannot be used: {found}")
    elif not RELATIVE_PATH.fullmatch(text):
        raise ValueError(
            f"{text!r} is neither https://… nor a plain path below the registry's own place"
        )
    return text


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Text = Annotated[str, Field(max_length=1000), AfterValidator(_check_printable)]


class Entry(Schema):
    """One version of an emulator.

    Attributes
    ----------
    name, version
        The name is that of the file's card; versions are ordered as Python's packages are.
    url : str
        ``https://…``, or a path below the registry's own place.
    sha256, size
        Of the file; bytes.
    kind, gives, grid, title, learned_from, licence
        What the card says, to be read before a download.
    """

    name: Name
    version: Annotated[Text, AfterValidator(_check_version)]
    url: Annotated[str, Field(max_length=2000), AfterValidator(_check_address)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]
    kind: Text = "map"
    gives: Text = ""
    grid: Text = ""
    title: Text = ""
    learned_from: Text = ""
    licence: Text = ""

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], version: str, url: str) -> Self:
        """Make the entry of an emulator's file, for its publisher.

        Raises
        ------
        EmulatorFileError
            If the file is no emulator.
        pydantic.ValidationError
            If version or address cannot be.
        """
        content, card = read_bytes(Path(path)), read_card(Path(path))
        return cls(
            name=card.name,
            version=version,
            url=url,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            kind=card.kind,
            gives=card.gives,
            grid=card.grid,
            title=card.title,
            learned_from=str(card.training.get("data", "")),
            licence=card.licence,
        )


class Registry(Schema):
    """All that one publisher has.

    Attributes
    ----------
    name : str
        What users write before a colon where two registries have an emulator of one name.
    emulators : tuple of Entry
    """

    format: Literal[1] = 1
    name: Name
    emulators: tuple[Entry, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.name == "bundled":
            raise ValueError("a registry cannot be called 'bundled'")
        seen = [(entry.name, Version(entry.version)) for entry in self.emulators]
        if twice := sorted({f"{n}@{v}" for n, v in seen if seen.count((n, v)) > 1}):
            raise ValueError(f"several entries for {', '.join(twice)}")
        return self


def read_registry(place: str, download: bool) -> Registry:
    """Read a registry file.

    Parameters
    ----------
    place : str
        A path, or ``https://…#sha256=…``.
    download : bool
        Whether it may be downloaded.

    Raises
    ------
    EmulatorFileError
        If it is not there, or is no registry.
    InputError, DownloadError
        If its address cannot be used, or it cannot be downloaded.
    """
    content = _read_content(place, download)
    try:
        return Registry.model_validate_json(content)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise EmulatorFileError(
            f"{display_place(place)} is no registry of emulators: {found}"
        ) from None


def _read_content(place: str, download: bool) -> bytes:
    if not is_url(place):
        return _read_file(Path(place).expanduser())
    url, digits = split_sha256(place)
    path = cached_path(url, digits)
    if download:
        path = fetch(url, digits, command="xai4land emulators show NAME")
    content = _read_file(path) if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != digits:
        raise EmulatorFileError(
            f"the registry {redact(url)} is not here; it is downloaded when a name is looked up: "
            "xai4land emulators show NAME"
        )
    return content


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise EmulatorFileError(
            f"could not open the registry {path}: {error.strerror or error}"
        ) from error
    if len(content) > MAX_BYTES:
        raise EmulatorFileError(f"{path} is no registry of emulators: over {MAX_BYTES} bytes")
    return content


def display_place(place: str) -> str:
    """Return a registry's place as messages show it."""
    return redact(place) if is_url(place) else place


def split_sha256(url: str) -> tuple[str, str]:
    """Split ``https://…#sha256=…`` into address and SHA-256.

    Raises
    ------
    InputError
        If the hash is missing, or is another than SHA-256: MD5 does not guard against forged files.
    """
    address, known = split_hash(url)
    algorithm, _, digits = known.partition(":")
    if algorithm != "sha256":
        raise InputError(f"{redact(url)} comes with {algorithm}; expected #sha256=…")
    return address, digits


def locate(entry: Entry, place: str) -> tuple[str, Path]:
    """Return an entry's address, empty if it is local, and the path of its file.

    Raises
    ------
    EmulatorFileError
        If a file beside the registry is a link that leads out of its folder.
    """
    if is_url(entry.url) or is_url(place):
        url = entry.url if is_url(entry.url) else urljoin(split_sha256(place)[0], entry.url)
        return url, cached_path(url, entry.sha256)
    folder = Path(place).expanduser().resolve().parent
    file = (folder / entry.url).resolve()
    if not file.is_relative_to(folder):
        raise EmulatorFileError(f"{entry.url} of the registry {place} leads out of its folder")
    return "", file
