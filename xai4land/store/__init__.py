"""Stores that are whole or not there."""

from xai4land.store.writing import write

__all__ = ["write"]
