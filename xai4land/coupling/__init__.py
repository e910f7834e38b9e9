"""Emulators inside of other programs: one graph of features, network and map, as ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai4land.lazy import import_lazily

if TYPE_CHECKING:
    from xai4land.coupling.exporting import export

__all__ = ["export"]

__getattr__, __dir__ = import_lazily(__name__, {"export": ".exporting"})
