"""The head that belongs to a card."""

from __future__ import annotations

from typing import Any

from xai4land.emulator.card import MapCard
from xai4land.emulator.outputs import Changes, Classes, Numbers
from xai4land.errors import EmulatorError
from xai4land.heads.base import Head
from xai4land.heads.changes import ChangeHead
from xai4land.heads.classes import ClassHead
from xai4land.heads.numbers import NumberHead

__all__ = ["make_head"]


def make_head(card: MapCard, **options: Any) -> Head:
    """Return the head of a card's outputs.

    Parameters
    ----------
    card : MapCard
    **options
        What is wanted beside the main outputs, as the head knows it.

    Raises
    ------
    EmulatorError
        If the outputs bring no head.
    """
    outputs = card.outputs
    if isinstance(outputs, Classes):
        return ClassHead(outputs, **options)
    if isinstance(outputs, Changes):
        return ChangeHead(outputs, **options)
    if isinstance(outputs, Numbers):
        return NumberHead(outputs, **options)
    make = getattr(outputs, "make_head", None)
    if make is None:
        raise EmulatorError(
            f"emulator {card.name!r} gives {type(outputs).__name__}, which has no make_head(card); "
            "its plugin must define it"
        )
    found: Head = make(card, **options)
    return found
