"""Emulators that were exported as ONNX, run by ONNX Runtime in place of torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from xai4land import discovery
from xai4land.emulator.card import MapCard
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.file import read_bytes
from xai4land.errors import EmulatorFileError, InputError, PluginError

if TYPE_CHECKING:
    import torch

__all__ = [
    "METADATA_KEY",
    "OUTPUTS",
    "VERSION",
    "OnnxEmulator",
    "import_onnx",
    "make_session",
    "read_onnx",
]

METADATA_KEY = "xai4land"
VERSION = 1
OUTPUTS = ("land_cover", "probability", "raw", "features", "feature_codes")
"""Outputs of the graph: the map, how likely each class is, and the network's answer and inputs."""


class OnnxEmulator(Emulator):
    """An emulator whose network is run by ONNX Runtime, in float32 on the CPU.

    Made by :func:`xai4land.coupling.export`; :func:`xai4land.load_emulator` reads it from its file.

    Parameters
    ----------
    content : bytes
        The ONNX file.
    about : mapping
        What it says of itself.
    """

    def __init__(self, content: bytes, about: Mapping[str, Any]) -> None:
        self.about = about
        card = self.card_type.model_validate(about["card"])
        assert isinstance(card, MapCard)
        size = self.about["cells"] * self.about["pixels"]
        if size != card.window.size:
            overlap = min(card.window.overlap, size // 2)
            card = card.with_(window={"size": size, "overlap": overlap})
        self.card = card
        self.weights: dict[str, torch.Tensor] = {}
        self.path: Path | None = None
        self.__dict__["_content"] = content

    @classmethod
    def load(cls, path: str | os.PathLike[str], sha256: str | None = None) -> Self:
        """Read an exported emulator; see :meth:`xai4land.emulator.Emulator.load`."""
        content = read_bytes(Path(path))
        found = hashlib.sha256(content).hexdigest()
        if sha256 is not None and found != sha256.lower():
            raise EmulatorFileError(
                f"{path} has SHA-256 {found}, expected {sha256}; get it again from its source"
            )
        emulator: Any = read_onnx(content, str(path))
        emulator.path = Path(path).absolute()
        return emulator  # type: ignore[no-any-return]

    def network(self, device: str = "cpu", dtype: torch.dtype | None = None) -> torch.nn.Module:
        """Return the network as a module that asks ONNX Runtime."""
        import torch

        if device != "cpu" or (dtype or torch.float32) != torch.float32:
            raise InputError(
                f"emulator {self.card.name!r} runs by ONNX Runtime, in float32 on the CPU; give "
                "device='cpu' and precision='float32'"
            )
        return _make_network(self._content, bool(self.card.coded))

    def __reduce__(self) -> tuple[Any, ...]:
        return read_onnx, (self._content,)

    def _rows(self) -> list[tuple[str, str]]:
        kept = [row for row in super()._rows() if row[0] != "network"]
        return [("runtime", "ONNX Runtime"), *kept]


def read_onnx(content: bytes, source: str = "an exported emulator") -> OnnxEmulator:
    """Return the emulator of a file's content, of the kind that its card names.

    Parameters
    ----------
    content : bytes
    source : str
        How to call it in errors.

    Raises
    ------
    EmulatorFileError
        If it was not exported by this version of xai4land, or is damaged.
    InputError
        If onnx or onnxruntime are not installed.
    """
    onnx = import_onnx()
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx' own, which share no class
        raise EmulatorFileError(f"{source} is no ONNX file, or damaged; export it again") from error
    about, kind = _read_metadata(model, source)
    found: type[OnnxEmulator] = kind
    if not issubclass(kind, OnnxEmulator):
        found = type("OnnxEmulator", (OnnxEmulator, kind), {})
    return found(content, about)


def import_onnx() -> Any:
    """Return the package onnx.

    Raises
    ------
    InputError
        If it, or ONNX Runtime, is not installed.
    """
    try:
        import_module("onnxruntime")
        return import_module("onnx")
    except ImportError as error:
        raise InputError(f"ONNX files need {error.name}; pip install 'xai4land[onnx]'") from error


def make_session(content: bytes) -> Any:
    """Return a session of ONNX Runtime on the CPU; one thread, as torch's windows have."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _make_network(content: bytes, coded: bool) -> torch.nn.Module:
    """Return the part of the graph between features and the network's answer."""
    import torch

    onnx = import_onnx()
    model = onnx.load_model_from_string(content)
    inputs = ["features", *(["feature_codes"] if coded else [])]
    part = onnx.utils.Extractor(model).extract_model(inputs, ["raw"])
    session = make_session(part.SerializeToString())

    class Network(torch.nn.Module):
        def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
            given = {"features": x.contiguous().numpy()}
            if coded:
                given["feature_codes"] = codes.contiguous().numpy()
            return torch.from_numpy(session.run(["raw"], given)[0])

    return Network()


def _read_metadata(model: Any, source: str) -> tuple[dict[str, Any], type[Any]]:
    """Return what the file says of itself, and the class of its kind."""
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in texts:
        raise EmulatorFileError(
            f"{source} was not exported by xai4land; export an emulator: emulator.export(path)"
        )
    try:
        about: dict[str, Any] = json.loads(texts[METADATA_KEY])
        if about["version"] != VERSION:
            raise EmulatorFileError(
                f"{source} is of version {about['version']}, expected {VERSION}; export it again "
                "with this version of xai4land"
            )
        name = about["card"].get("kind", "map")
        kind = OnnxEmulator if name == "map" else discovery.load("kinds", str(name))
        kind.card_type.model_validate(about["card"])
    except PluginError as error:
        raise EmulatorFileError(f"{source} is an emulator of kind {name!r}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise EmulatorFileError(f"{source} has a faulty card: {error}; export it again") from error
    return about, kind
