"""The emulator file: one safetensors file, with the card in its header.

The header holds one entry, ``xai4land``: the card as JSON and the SHA-256 of card and tensors
together. Reading a file runs no code from it: tensors are numbers, the card is data, and the
architecture is looked up by name among the installed ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from xai4land import discovery, files
from xai4land.emulator.card import AnyCard, Card
from xai4land.errors import EmulatorFileError, PluginError
from xai4land.files import translate_os_errors

if TYPE_CHECKING:
    import torch

__all__ = ["pack", "read_card", "unpack", "write_file"]

HEADER_KEY = "xai4land"
MAX_HEADER_BYTES = 4 * 1024 * 1024


def pack(card: AnyCard, weights: Mapping[str, torch.Tensor]) -> bytes:
    """Return the bytes of an emulator file; the same card and weights give the same bytes."""
    from safetensors.torch import save

    tensors = {name: weights[name].detach().cpu().contiguous() for name in sorted(weights)}
    text = card.model_dump_json()
    metadata = {"card": text, "sha256": _digest(text, tensors)}
    return save(tensors, {HEADER_KEY: json.dumps(metadata)})


def unpack(content: bytes, source: str) -> tuple[AnyCard, dict[str, torch.Tensor]]:
    """Read card and weights from the bytes of an emulator file.

    Raises
    ------
    EmulatorFileError
        If the bytes are truncated, altered or not an emulator.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    card, text, digest = _read_header(content, source)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise EmulatorFileError(
            f"{source} is truncated or damaged ({error}); get it again"
        ) from error
    if _digest(text, {name: tensors[name] for name in sorted(tensors)}) != digest:
        raise EmulatorFileError(
            f"{source} was altered: its weights or card do not match its SHA-256; get it again"
        )
    return card, tensors


def read_card(path: Path) -> AnyCard:
    """Read the card without the weights, which are not checked."""
    with _open(path) as stream:
        start = stream.read(8)
        length = min(int.from_bytes(start, "little"), MAX_HEADER_BYTES)
        return _read_header(start + stream.read(length), str(path))[0]


def read_bytes(path: Path) -> bytes:
    """Read the whole file."""
    with _open(path) as stream:
        return stream.read()


def write_file(path: Path, content: bytes) -> None:
    """Write all of ``content`` or nothing, so that a file under this name is complete."""
    with translate_os_errors(path, "choose a folder that can be written"):
        files.write_file(path, content)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise EmulatorFileError(f"could not open {path}: {error.strerror or error}") from error


def _read_header(content: bytes, source: str) -> tuple[AnyCard, str, str]:
    """Read the card, its text and the SHA-256."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > MAX_HEADER_BYTES or content[8:9] != b"{":
        raise EmulatorFileError(f"{source} is not an emulator: it is no safetensors file")
    if len(content) < 8 + length:
        raise EmulatorFileError(f"{source} is truncated: its header is incomplete; get it again")
    try:
        metadata = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][HEADER_KEY])
        text, digest = str(metadata["card"]), str(metadata["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EmulatorFileError(
            f"{source} is a safetensors file without an xai4land card; it is no emulator"
        ) from error
    try:
        return _card_type(text, source).parse(text), text, digest
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors()
        )
        raise EmulatorFileError(
            f"{source} has a card that this version of xai4land does not accept: {problems}"
        ) from error


def _card_type(text: str, source: str) -> type[AnyCard]:
    """Find the type of the card; that of maps if none is named."""
    try:
        kind = json.loads(text).get("kind", "map")
    except (ValueError, AttributeError, RecursionError):
        return Card  # its parser reports the problem
    if kind == "map":
        return Card
    try:
        card_type: type[AnyCard] = discovery.load("kinds", str(kind)).card_type
    except PluginError as error:
        raise EmulatorFileError(f"{source} is an emulator of kind {kind!r}: {error}") from error
    return card_type


def _digest(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Compute the SHA-256 of card and tensors."""
    import torch

    digest = hashlib.sha256(text.encode())
    for name, tensor in tensors.items():
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
