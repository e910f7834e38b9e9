"""Land use and land cover, as the accessor ``ds.ai4land`` and as functions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai4land.explaining.explain import Explanation, explain
    from xai4land.regridding import regrid
    from xai4land.store import write
    from xai4land_land.fitting import fit
    from xai4land_land.landcover import reconstruct
    from xai4land_land.legends import HILDA, LAND_STATES, Legend
    from xai4land_land.luh2 import states_from_luh2
    from xai4land_land.luh2_files import open_luh2
    from xai4land_land.plots import plot, plot_scores
    from xai4land_land.scores import evaluate, summarise

__all__ = [
    "HILDA",
    "LAND_STATES",
    "Explanation",
    "Legend",
    "evaluate",
    "explain",
    "fit",
    "open_luh2",
    "plot",
    "plot_scores",
    "reconstruct",
    "regrid",
    "states_from_luh2",
    "summarise",
    "write",
]

_LATE = {
    "HILDA": "legends",
    "LAND_STATES": "legends",
    "Legend": "legends",
    "evaluate": "scores",
    "fit": "fitting",
    "open_luh2": "luh2_files",
    "plot": "plots",
    "plot_scores": "plots",
    "reconstruct": "landcover",
    "states_from_luh2": "luh2",
    "summarise": "scores",
}


_ENGINE = {
    "Explanation": "explaining.explain",
    "explain": "explaining.explain",
    "regrid": "regridding",
    "write": "store",
}


def __getattr__(name: str) -> Any:
    if name in _ENGINE:
        return getattr(import_module(f"xai4land.{_ENGINE[name]}"), name)
    if name in _LATE:
        return getattr(import_module(f"xai4land_land.{_LATE[name]}"), name)
    raise AttributeError(f"module 'xai4land_land' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
