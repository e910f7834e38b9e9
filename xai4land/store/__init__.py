"""Stores that are whole or not there."""

from xai4land.store.opening import open_store
from xai4land.store.writing import write

__all__ = ["open_store", "write"]
