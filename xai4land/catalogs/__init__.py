"""Catalogs of data, and what turns a search into what the accessors take."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai4land.catalogs.harmonising import harmonise
    from xai4land.catalogs.opening import open_catalog
    from xai4land.catalogs.prefetching import prefetch
    from xai4land.catalogs.reading import open_search
    from xai4land.catalogs.simulations import open_simulations, stack_simulations

__all__ = [
    "harmonise",
    "open_catalog",
    "open_search",
    "open_simulations",
    "prefetch",
    "stack_simulations",
]

_LATE = {
    "harmonise": "harmonising",
    "open_catalog": "opening",
    "open_search": "reading",
    "open_simulations": "simulations",
    "prefetch": "prefetching",
    "stack_simulations": "simulations",
}


def __getattr__(name: str) -> Any:
    # Late, so that the command line starts fast.
    if name in _LATE:
        return getattr(import_module(f"xai4land.catalogs.{_LATE[name]}"), name)
    raise AttributeError(f"module 'xai4land.catalogs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
