"""Emulators: the card, the file, and where they are found."""

from xai4land.emulator.card import (
    AnyCard,
    Architecture,
    Card,
    Input,
    OutputClass,
    Part,
    Resolution,
    Window,
)
from xai4land.emulator.emulator import AnyEmulator, Emulator
from xai4land.emulator.names import emulators, load_emulator

__all__ = [
    "AnyCard",
    "AnyEmulator",
    "Architecture",
    "Card",
    "Emulator",
    "Input",
    "OutputClass",
    "Part",
    "Resolution",
    "Window",
    "emulators",
    "load_emulator",
]
