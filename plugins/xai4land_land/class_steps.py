"""Maps of classes, made step by step from their own year's states."""

from __future__ import annotations

from typing import Any

from xai4land.coupling import Setup, StepInputs
from xai4land.emulator import Classes
from xai4land.emulator.inputs import Bound
from xai4land.errors import InputError
from xai4land_land.drawing import check_drawing
from xai4land_land.exact_areas import check_exact_areas

__all__ = ["ClassInputs", "check_options"]

OPTIONS: dict[str, Any] = {
    "probabilities": False,
    "uncertainty": False,
    "areas": "free",
    "members": None,
    "seed": 0,
    "baselines": False,
}


class ClassInputs(StepInputs):
    """The states of a step, for an emulator of classes."""

    def check(self, setup: Setup) -> None:
        """Refuse a prior map and unknown options."""
        super().check(setup)
        check_options(setup, OPTIONS)
        chosen = OPTIONS | dict(setup.options)
        check_drawing(chosen["areas"], chosen["members"], chosen["seed"])

    def options(self, bound: Bound) -> dict[str, Any]:
        """Return the options of the head; exact areas need states that say something of them."""
        chosen = OPTIONS | dict(self.setup.options)
        outputs = self.setup.card.outputs
        assert isinstance(outputs, Classes)
        if chosen["areas"] != "free":
            check_exact_areas(outputs, bound)
        return chosen


def check_options(setup: Setup, known: dict[str, Any]) -> None:
    """Refuse options that the outputs do not have."""
    if unknown := [name for name in setup.options if name not in known]:
        raise InputError(
            f"unknown options {', '.join(unknown)}, expected some of {', '.join(known)}"
        )
