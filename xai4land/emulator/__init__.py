"""Emulators: the card, the file, and where they are found."""

from xai4land.emulator.card import (
    AnyCard,
    Architecture,
    Card,
    Input,
    MapCard,
    Resolution,
    Window,
)
from xai4land.emulator.emulator import AnyEmulator, Emulator
from xai4land.emulator.names import emulators, load_emulator
from xai4land.emulator.outputs import (
    Changes,
    Classes,
    ClassMap,
    Numbers,
    NumberVariable,
    OutputClass,
    Outputs,
)
from xai4land.emulator.schema import Schema

__all__ = [
    "AnyCard",
    "AnyEmulator",
    "Architecture",
    "Card",
    "Changes",
    "ClassMap",
    "Classes",
    "Emulator",
    "Input",
    "MapCard",
    "NumberVariable",
    "Numbers",
    "OutputClass",
    "Outputs",
    "Resolution",
    "Schema",
    "Window",
    "emulators",
    "load_emulator",
]
