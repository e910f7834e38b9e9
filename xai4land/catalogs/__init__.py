"""Catalogs of data, and what turns a search into what the accessors take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai4land.lazy import import_lazily

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

__getattr__, __dir__ = import_lazily(
    __name__,
    {
        "harmonise": ".harmonising",
        "open_catalog": ".opening",
        "open_search": ".reading",
        "open_simulations": ".simulations",
        "prefetch": ".prefetching",
        "stack_simulations": ".simulations",
    },
)
