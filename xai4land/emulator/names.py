"""Emulators by name: those that plugins bundle, those of registries, and files."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from xai4land import discovery
from xai4land.downloads import cached_path, fetch
from xai4land.downloads.urls import is_url, redact
from xai4land.emulator.emulator import AnyEmulator, Emulator
from xai4land.emulator.file import read_bytes, read_card, unpack
from xai4land.emulator.offers import Offer, find, list_bundled, list_registered
from xai4land.emulator.registry import split_sha256
from xai4land.errors import EmulatorFileError, Xai4landError

__all__ = ["emulators", "load_emulator", "pull", "show", "verify"]

logger = logging.getLogger(__name__)

COLUMNS = ("name", "version", "source", "here", "kind", "output", "target", "title", "problem")
BLANK = dict.fromkeys(COLUMNS, "")


def load_emulator(name: str | os.PathLike[str] | AnyEmulator) -> Any:
    """Get an emulator by its name, or from a file here or elsewhere.

    Parameters
    ----------
    name : str, path-like or emulator
        The name of a bundled emulator; the path of a ``.safetensors``
        file, or of an ``.onnx`` file that was exported;
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
    >>> xai4land.load_emulator("sample-landcover").card.outputs.name
    'land_cover'
    """
    if isinstance(name, AnyEmulator):
        return name
    if not isinstance(name, str | os.PathLike):
        raise EmulatorFileError(f"{name!r} is neither an emulator, nor its name, nor a file")
    if is_url(str(name)):
        url, digits = split_sha256(str(name))
        again = f"xai4land emulators pull '{redact(url)}#sha256={digits}'"
        return _load_file(fetch(url, digits, command=again), digits)
    if Path(name).suffix in (".safetensors", ".onnx"):
        return _load_file(Path(name))
    offer = find(str(name))
    offer.get()
    return _load_offer(offer)


def _load_file(path: Path, sha256: str | None = None) -> AnyEmulator:
    if path.suffix == ".onnx":
        from xai4land.emulator.onnx_file import OnnxEmulator

        return OnnxEmulator.load(path, sha256)
    kind = read_card(path).kind
    found: type[AnyEmulator] = Emulator if kind == "map" else discovery.load("kinds", kind)
    logger.info("load the emulator %s", path)
    return found.load(path, sha256)


def _load_offer(offer: Offer) -> AnyEmulator:
    """Load the emulator of a local file, which must be the one that the registry names."""
    emulator = _load_file(offer.file, offer.entry.sha256 if offer.entry else None)
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
    """Return the card of an emulator as text; nothing but a registry is downloaded.

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
        url, digits = split_sha256(name)
        file = cached_path(url, digits)
        if not file.is_file():
            raise EmulatorFileError(
                f"the card is in the file, which is not here; run: xai4land emulators pull '{name}'"
            )
        return repr(_load_file(file, digits))
    if Path(name).suffix == ".safetensors":
        return repr(_load_file(Path(name)))
    offer = find(name)
    return offer.card if offer.entry and not offer.here else repr(_load_offer(offer))


def emulators() -> pd.DataFrame:
    """List the emulators that are bundled and registered; nothing is downloaded.

    Returns
    -------
    DataFrame
        One row an emulator: ``name``, ``version``, ``source``, ``here``, ``kind``, ``output``,
        ``target``, ``title``, and ``problem``, the reason where it is broken.

    Examples
    --------
    >>> import xai4land
    >>> "sample-landcover" in xai4land.emulators().name.values
    True
    """
    offers, broken = list_bundled()
    more, broken_registries = list_registered(download=False)
    rows = [_make_row(offer, broken.pop(offer.name, "")) for offer in offers]
    rows += [_make_row(offer) for offer in more]
    rows += [
        {"name": name, "here": False, "problem": reason}
        for name, reason in sorted({**broken, **broken_registries}.items())
    ]
    return pd.DataFrame([{**BLANK, **row} for row in rows], columns=list(BLANK))


def _identify(offer: Offer) -> dict[str, Any]:
    return {"name": offer.name, "version": offer.version, "source": offer.source}


def _make_row(offer: Offer, problem: str = "") -> dict[str, Any]:
    row = {**_identify(offer), "here": offer.here, "problem": problem}
    try:
        card = offer.entry or read_card(offer.file)
    except EmulatorFileError as error:
        return {**row, "problem": str(error)}
    output = card.gives.split(":")[0]
    return {**row, "kind": card.kind, "output": output, "target": card.grid, "title": card.title}


def verify(names: Sequence[str] = ()) -> pd.DataFrame:
    """Read emulators' files again, and compare them with their hashes; nothing is downloaded.

    Parameters
    ----------
    names : sequence of str
        By default all bundled ones, and those of registries that are here.

    Returns
    -------
    DataFrame
        One row a file: ``name``, ``version``, ``source``, ``verified``, ``file``, ``problem``.

    Raises
    ------
    EmulatorFileError
        If there is no emulator with one of the names.

    Examples
    --------
    >>> verify(["sample-landcover"]).verified.tolist()
    [True]
    """
    offers = [find(name) for name in names]
    if not names:
        offers = [*list_bundled()[0], *(o for o in list_registered(download=False)[0] if o.here)]
    rows = []
    for offer in offers:
        problem = _find_fault(offer)
        row = {"verified": not problem, "file": str(offer.file), "problem": problem}
        rows.append({**_identify(offer), **row})
    return pd.DataFrame(rows, columns=["name", "version", "source", "verified", "file", "problem"])


def _find_fault(offer: Offer) -> str:
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
