"""Parts of intake-esm: the variables that a search has asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["requested_variables", "set_requested_variables"]


def requested_variables(search: esm_datastore) -> list[str]:
    """Return the variables that were named in a search; empty if none was.

    A catalog's files may hold several variables, and the table tells only which.
    """
    return [str(name) for name in search._requested_variables]


def set_requested_variables(search: esm_datastore, names: Iterable[str]) -> None:
    """Let a datastore open these variables alone; all if there are none."""
    search._requested_variables = list(names)
