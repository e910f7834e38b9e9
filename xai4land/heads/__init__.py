"""Heads: what comes out of an emulator, of classes or of numbers."""
