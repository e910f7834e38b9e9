"""The gallery: order of its pages, pictures of figures that pyplot does not know, samples."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

import xai4land
from xai4land.figures import NotebookFigure

__all__ = ["ORDER", "ReadingOrder", "scrape", "share_samples"]

ORDER = [
    "plot_first_map.py",
    "plot_own_data.py",
    "plot_luh2_to_map.py",
    "plot_change.py",
    "plot_uncertainty.py",
    "plot_exact_areas.py",
    "plot_realisations.py",
    "plot_leaf_area.py",
    "plot_first_forecast.py",
    "plot_verification.py",
    "plot_europe.py",
    "plot_cmip6.py",
    "plot_coupling.py",
    "plot_onnx.py",
    "plot_large_runs.py",
]


class ReadingOrder:
    """Sort scripts from what is needed first."""

    def __init__(self, folder: str) -> None:
        pass

    def __call__(self, name: str) -> int:
        """Return the position of a script."""
        return ORDER.index(name)


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figure that a cell ends with."""
    figure = block_vars["example_globals"].get("___")
    if not isinstance(figure, NotebookFigure) or block_vars.get("last_figure") is figure:
        return ""
    block_vars["last_figure"] = figure
    path = Path(next(block_vars["image_path_iterator"]))
    figure.savefig(path, dpi=110)
    return figure_rst([path], gallery_conf["src_dir"])


def share_samples() -> None:
    """Make each sample once for all examples: the planet takes as long as the rest of a page."""
    make = xai4land.sample

    @functools.cache
    def make_once(kind: str, seed: int, years: tuple[int, ...] | None) -> Any:
        return make(kind, seed=seed, years=years)

    @functools.wraps(make)
    def sample(kind: str = "land", *, seed: int = 0, years: Any = None) -> Any:
        return make_once(kind, seed, None if years is None else tuple(years)).copy()

    xai4land.sample = sample
