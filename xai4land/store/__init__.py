"""Stores that are whole or not there."""

from xai4land.store.reading import open_store
from xai4land.store.writing import write

__all__ = ["open_store", "write"]
