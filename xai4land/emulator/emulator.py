"""An emulator: a card, weights, and the network that they define."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import xarray as xr

from xai4land.display import format_html, format_text
from xai4land.emulator.build import build, fold
from xai4land.emulator.card import AnyCard, Card, MapCard
from xai4land.emulator.file import pack, read_bytes, unpack, write_file
from xai4land.emulator.outputs import Classes
from xai4land.errors import EmulatorFileError

if TYPE_CHECKING:
    import torch

    from xai4land.grids.grid import Target

__all__ = ["AnyEmulator", "Emulator"]

_NETWORKS: dict[tuple[str, str, torch.dtype], torch.nn.Module] = {}
_LOCK = threading.Lock()


class AnyEmulator:
    """A trained network with a card, of any kind: how it is read, stored and identified.

    A plugin with a kind of its own derives from this, sets ``card_type``, and registers the class
    as an entry point of ``xai4land.kinds``.

    Parameters
    ----------
    card : AnyCard
    weights : mapping from str to Tensor
        Parameters of the network, by name.

    Attributes
    ----------
    path : Path or None
        The file that it was loaded from or saved to.

    Raises
    ------
    EmulatorFileError
        If the card names an unknown architecture, or the weights do not fit it.
    """

    card_type: ClassVar[type[AnyCard]] = AnyCard

    def __init__(self, card: AnyCard, weights: Mapping[str, torch.Tensor]) -> None:
        if not isinstance(card, self.card_type):
            raise EmulatorFileError(
                f"emulator {card.name!r} is of kind {card.kind!r}, which {type(self).__name__} is "
                "not; xai4land.load_emulator(path) gives what it is"
            )
        self.card = card
        self.weights = dict(weights)
        self.path: Path | None = None
        self._build()

    @classmethod
    def load(cls, path: str | os.PathLike[str], sha256: str | None = None) -> Self:
        """Read an emulator file.

        Parameters
        ----------
        path : path-like
        sha256 : str, optional
            Expected SHA-256 of the file.

        Raises
        ------
        EmulatorFileError
            If the file is missing, truncated, altered, not an emulator, has another hash, or
            names an architecture that is not installed.
        """
        content = read_bytes(Path(path))
        found = hashlib.sha256(content).hexdigest()
        if sha256 is not None and found != sha256.lower():
            raise EmulatorFileError(
                f"{path} has SHA-256 {found}, expected {sha256}; get it again from its source"
            )
        emulator = cls(*unpack(content, str(path)))
        emulator.__dict__["_content"] = content
        emulator.path = Path(path).absolute()
        return emulator

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the emulator as one ``.safetensors`` file, completely or not at all.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        write_file(Path(path), self._content)
        self.path = Path(path).absolute()

    @cached_property
    def _content(self) -> bytes:
        return pack(self.card, self.weights)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the emulator's file."""
        return hashlib.sha256(self._content).hexdigest()

    def _build(self) -> torch.nn.Module:
        return build(self.card, self.weights)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_bytes, (type(self), self._content)

    def __dask_tokenize__(self) -> Any:
        return (type(self).__name__, self.sha256)

    def __repr__(self) -> str:
        return format_text(self._title, self._rows())

    def _repr_html_(self) -> str:
        return format_html(self._title, self._rows())

    @property
    def couplings(self) -> tuple[str, ...]:
        """Ways to run it inside of a model; see :mod:`xai4land.coupling`."""
        return ()

    @cached_property
    def speed(self) -> str:
        """How fast it was found to be, from a file beside its own; empty if nobody measured it.

        ``NAME.speed.json`` has the SHA-256 of the emulator that was measured, and a line of text.
        """
        file = None if self.path is None else self.path.with_suffix(".speed.json")
        try:
            found = json.loads(file.read_text(encoding="utf-8")) if file else {}
            return str(found["speed"]) if found["sha256"] == self.sha256 else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    @property
    def _title(self) -> str:
        return f"<{type(self).__name__} {self.card.name!r}>"

    def _rows(self) -> list[tuple[str, str]]:
        card = self.card
        count = sum(w.numel() for w in self.weights.values())
        return [
            ("title", card.title),
            ("network", f"{card.architecture.name}, {count:,} parameters"),
            ("gives", card.gives),
            *card.facts,
            ("inside models", ", ".join(self.couplings)),
            ("speed", self.speed),
            ("learned from", str(card.training.get("data", ""))),
            *((f"{name}", str(value)) for name, value in card.metrics.items()),
            ("licence", card.licence),
            ("sha256", self.sha256),
        ]


class Emulator(AnyEmulator):
    """A trained network that makes maps, with its card.

    Parameters
    ----------
    card : Card
    weights : mapping from str to Tensor
        Parameters of the network, by name.

    Attributes
    ----------
    path : Path or None
        The file that it was loaded from or saved to.

    Raises
    ------
    EmulatorFileError
        If the card names an unknown architecture, or the weights do not fit it.

    Examples
    --------
    >>> import xai4land
    >>> emulator = xai4land.load_emulator("sample-landcover")
    >>> emulator.card.resolution.target
    0.25
    """

    card_type: ClassVar[type[AnyCard]] = Card
    card: MapCard

    def check(
        self,
        data: xr.Dataset,
        static: xr.Dataset | None = None,
        target: Target = None,
    ) -> None:
        """Check that data fit the card; values are checked where they are in memory.

        Raises
        ------
        InputError
            Listing every mismatch: missing variables, units that cannot be converted,
            fractions outside 0-1, unknown codes, coordinates, a resolution far from training.
        """
        from xai4land.emulator.inputs import bind

        bind(self.card, data, static, target)

    @property
    def couplings(self) -> tuple[str, ...]:
        """Ways to run it inside of a model; see :mod:`xai4land.coupling`."""
        outputs = self.card.outputs
        graph = ("ONNX",) if type(outputs) is Classes or hasattr(outputs, "make_graph") else ()
        return ("Python (Stepper)", "BMI", "YAC", "Fortran and C", *graph)

    def export(self, path: str | os.PathLike[str], *, cells: int | None = None) -> dict[str, float]:
        """Write features, network and map of a window as ONNX.

        See :func:`xai4land.coupling.export`.

        Raises
        ------
        InputError
            If the emulator cannot be exported, or ``xai4land[onnx]`` is not installed.
        """
        # By name, since the floors below know nothing of coupling.
        export = import_module("xai4land.coupling").export
        found: dict[str, float] = export(self, path, cells=cells)
        return found

    def network(self, device: str = "cpu", dtype: torch.dtype | None = None) -> torch.nn.Module:
        """Return the network in evaluation mode; one per process, device and precision.

        Parameters
        ----------
        device : str
        dtype : torch.dtype
            Of weights and features; float32 by default.
        """
        import torch

        key = (self.sha256, device, dtype or torch.float32)
        with _LOCK:
            if key not in _NETWORKS:
                network = fold(self._build().eval().requires_grad_(False).to(device)).to(key[2])
                _NETWORKS[key] = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                if device.startswith("cuda"):  # other streams will use it
                    torch.cuda.synchronize(device)
            return _NETWORKS[key]


def _from_bytes(kind: type[AnyEmulator], content: bytes) -> AnyEmulator:
    emulator = kind(*unpack(content, "a pickled emulator"))
    emulator.__dict__["_content"] = content
    return emulator
