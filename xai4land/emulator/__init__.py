"""Emulators: the card, the file, and where they are found."""

from xai4land.emulator.card import Architecture, Card, Input, OutputClass, Resolution, Window
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.registry import emulators, load_emulator

__all__ = [
    "Architecture",
    "Card",
    "Emulator",
    "Input",
    "OutputClass",
    "Resolution",
    "Window",
    "emulators",
    "load_emulator",
]
