"""Emulators as components of YAC, the coupler of ICON."""
