"""Emulators inside of other programs: called step by step, or as one graph in ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai4land.lazy import import_lazily

if TYPE_CHECKING:
    from xai4land.coupling.exporting import export
    from xai4land.coupling.inputs import Setup, StepInputs
    from xai4land.coupling.stepper import Stepper

__all__ = ["Setup", "StepInputs", "Stepper", "export"]

__getattr__, __dir__ = import_lazily(
    __name__,
    {
        "Setup": ".inputs",
        "StepInputs": ".inputs",
        "Stepper": ".stepper",
        "export": ".exporting",
    },
)
