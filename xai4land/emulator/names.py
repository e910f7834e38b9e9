"""Emulators by name: those that plugins bundle, those of registries, and files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xai4land import discovery
from xai4land.downloads import cached_path, fetch
from xai4land.downloads.urls import is_url, redact
from xai4land.emulator.emulator import AnyEmulator, Emulator
from xai4land.emulator.file import read_bytes, read_card, unpack
from xai4land.emulator.offers import Offer, bundled, find, registered
from xai4land.emulator.registry import pinned
from xai4land.errors import EmulatorFileError, Xai4landError
from xai4land.tables import Table

__all__ = ["emulators", "load_emulator", "pull", "show", "verify"]


def load_emulator(name: str | os.PathLike[str] | AnyEmulator) -> Any:
    """Get an emulator by its name, or from a file here or elsewhere.

    Parameters
    ----------
    name : str, path-like or emulator
        The name of a bundled emulator; the path of a ``.safetensors`` file;
        ``https://…#sha256=…``; or ``name``, ``name@version`` or ``registry:name@version`` of a
        registry (see :class:`xai4land.set_options`), by default the newest version. What is not
        here is downloaded, after its card is printed. An emulator is returned as it is.

    Returns
    -------
    Emulator or another kind
        As the card says: an :class:`Emulator` makes maps of classes; plugins bring other kinds.

    Raises
    ------
    EmulatorFileError
        If there is no such emulator, its file is broken, or it is not the one that the registry
        says.
    InputError
        If an address cannot be used, or comes without a hash.
    DownloadError, StoreError
        If it cannot be downloaded, has another hash, or cannot be kept.

    Examples
    --------
    >>> import xai4land
    >>> xai4land.load_emulator("sample-landcover").card.output
    'land_cover'
    """
    if isinstance(name, AnyEmulator):
        return name
    if not isinstance(name, str | os.PathLike):
        raise EmulatorFileError(f"{name!r} is neither an emulator, nor its name, nor a file")
    if is_url(str(name)):
        url, digits = pinned(str(name))
        again = f"xai4land emulators pull '{redact(url)}#sha256={digits}'"
        return _loaded(fetch(url, digits, command=again), digits)
    if Path(name).suffix == ".safetensors":
        return _loaded(Path(name))
    offer = find(str(name))
    offer.get()
    return _read(offer)


def _loaded(path: Path, sha256: str | None = None) -> AnyEmulator:
    kind = read_card(path).kind
    found: type[AnyEmulator] = Emulator if kind == "map" else discovery.load("kinds", kind)
    return found.load(path, sha256)


def _read(offer: Offer) -> AnyEmulator:
    """The emulator of a file that is here, and that must be what the registry says."""
    emulator = _loaded(offer.file, offer.entry.sha256 if offer.entry else None)
    if offer.entry and emulator.card.name != offer.name:
        raise EmulatorFileError(
            f"{offer.file} is the emulator {emulator.card.name!r}, but the registry "
            f"{offer.source!r} calls it {offer.name!r}; tell its publisher"
        )
    return emulator


def pull(name: str) -> Path:
    """Get an emulator's file, downloaded if it is not here, and checked.

    Parameters
    ----------
    name : str
        As for :func:`load_emulator`.

    Raises
    ------
    EmulatorFileError, InputError, DownloadError, StoreError
        As :func:`load_emulator`.

    Examples
    --------
    >>> pull("sample-landcover").name
    'sample-landcover.safetensors'
    """
    path: Path = load_emulator(name).path
    return path


def show(name: str) -> str:
    """The card of an emulator; nothing but a registry is downloaded.

    Parameters
    ----------
    name : str
        As for :func:`load_emulator`.

    Raises
    ------
    EmulatorFileError
        If there is no such emulator, or its card is not here.
    """
    if is_url(name):
        url, digits = pinned(name)
        file = cached_path(url, digits)
        if not file.is_file():
            raise EmulatorFileError(
                f"the card is in the file, which is not here; run: xai4land emulators pull '{name}'"
            )
        return repr(_loaded(file, digits))
    if Path(name).suffix == ".safetensors":
        return repr(_loaded(Path(name)))
    offer = find(name)
    return offer.card if offer.entry and not offer.here else repr(_read(offer))


def emulators() -> Table:
    """List the emulators that are bundled and registered; nothing is downloaded.

    Returns
    -------
    Table
        Rows of ``name, version, source, here, kind, output, target, title, problem``; what is
        broken has its reason.

    Examples
    --------
    >>> import xai4land
    >>> "sample-landcover" in [row["name"] for row in xai4land.emulators()]
    True
    """
    offers, broken = bundled()
    more, broken_registries = registered(fetching=False)
    rows = [_row(offer, broken.pop(offer.name, "")) for offer in offers]
    rows += [_row(offer) for offer in more]
    rows += [
        {**dict.fromkeys(rows[0] if rows else ("name",), ""), "name": name, "problem": reason}
        for name, reason in sorted({**broken, **broken_registries}.items())
    ]
    return Table(rows)


def _about(offer: Offer) -> dict[str, Any]:
    return {"name": offer.name, "version": offer.version, "source": offer.source}


def _row(offer: Offer, problem: str = "") -> dict[str, Any]:
    said = dict.fromkeys(("kind", "output", "target", "title"), "")
    row = {**_about(offer), "here": offer.here, **said, "problem": problem}
    try:
        card = offer.entry or read_card(offer.file)
    except EmulatorFileError as error:
        return {**row, "problem": str(error)}
    output = card.gives.split(":")[0]
    return {**row, "kind": card.kind, "output": output, "target": card.grid, "title": card.title}


def verify(names: Sequence[str] = ()) -> Table:
    """Read emulators' files again, and compare them with their hashes; nothing is downloaded.

    Parameters
    ----------
    names : sequence of str
        By default all bundled ones, and those of registries that are here.

    Returns
    -------
    Table
        Rows of ``name, version, source, verified, file, problem``.

    Raises
    ------
    EmulatorFileError
        If there is no emulator with one of the names.

    Examples
    --------
    >>> verify(["sample-landcover"])[0]["verified"]
    True
    """
    offers = [find(name) for name in names]
    if not names:
        offers = [*bundled()[0], *(o for o in registered(fetching=False)[0] if o.here)]
    rows = []
    for offer in offers:
        problem = _fault(offer)
        row = {"verified": not problem, "file": str(offer.file), "problem": problem}
        rows.append({**_about(offer), **row})
    return Table(rows)


def _fault(offer: Offer) -> str:
    try:
        content = read_bytes(offer.file)
        if offer.entry and hashlib.sha256(content).hexdigest() != offer.entry.sha256:
            how = (
                f"xai4land emulators pull {offer.full_name}" if offer.url else "from its publisher"
            )
            return f"it has another SHA-256 than the registry says; get it again: {how}"
        unpack(content, str(offer.file))
    except Xai4landError as error:
        return str(error)
    return ""
