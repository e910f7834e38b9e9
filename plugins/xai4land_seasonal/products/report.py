"""A page about a forecast: maps, scores beside references, and provenance."""

from __future__ import annotations

import base64
import html
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.files import translate_os_errors, write_file
from xai4land.grids.grid import Grid
from xai4land_seasonal.data.areas import covers
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.products.forecast_maps import plot
from xai4land_seasonal.products.plume import plot_plume
from xai4land_seasonal.products.reliability import plot_reliability
from xai4land_seasonal.products.score_maps import plot_scores
from xai4land_seasonal.products.terciles import tercile_probabilities
from xai4land_seasonal.verification.comparison import compare
from xai4land_seasonal.verification.intervals import compute_intervals
from xai4land_seasonal.verification.loading import load_fields
from xai4land_seasonal.verification.matching import check_forecast
from xai4land_seasonal.verification.scores import compute_scores, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["report"]

TABLE_METRICS = ("acc", "residual_correlation", "rmse", "msess", "spread_error", "crpss", "rpss")
MAP_METRICS = (
    "acc_pvalue",
    "crpss_pvalue",
    "effective_size",
    "reliability_below",
    "reliability_above",
    "rank_histogram",
)
PLUME_REGIONS = ("nino34", "europe")
PAGE_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } td small { color: #666; white-space: nowrap; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
"""


def report(
    forecast: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    obs: xr.Dataset | None = None,
    climatology: Climatology = None,
    references: Sequence[str] = ("climatology", "trend", "damped persistence"),
    intervals: int = 200,
    period: tuple[int, int] | None = None,
) -> Path:
    """Write one self-contained page (HTML) about a forecast.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, rows, columns).
    path : str or path-like
        Ending in ``.html``; replaced if it exists.
    obs : Dataset, optional
        Monthly observations, for terciles, plumes and scores; without them only the forecast is
        shown. Scores need three years of a season.
    climatology
        Of the observations; see :func:`xai4land_seasonal.forecast`.
    references : sequence of str
        References that scores are compared with.
    intervals : int
        Resamples of the years for the 90 % intervals of the scores.
    period : tuple of int, optional
        First and last year of the maps' terciles; by default all.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the path does not end in ``.html``, or its folder does not exist.
    StoreError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile, xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> made = xai4land_seasonal.forecast(
    ...     climate, "DJF", members=5, years=1959, emulator="trend", climatology=(1900, 1929))
    >>> report(made, tempfile.mkdtemp() + "/report.html").name
    'report.html'
    """
    path = Path(path)
    if path.suffix not in (".html", ".htm"):
        raise InputError(f"{path.name} is not the name of a page; end it in .html")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}; make it first")
    check_forecast(forecast)
    forecast = forecast.compute()
    parts = [_forecast_section(forecast, obs, climatology, period)]
    if obs is not None:
        seasons = np.unique(forecast["season"].values, return_counts=True)[1]
        if seasons.max() >= 3:
            parts.append(_score_section(forecast, obs, climatology, references, intervals))
    parts.append(_provenance_section(forecast))
    title = html.escape(str(forecast.attrs.get("title", "Seasonal forecast")))
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{PAGE_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
    with translate_os_errors(path, "choose a folder that can be written"):
        write_file(path, page)
    return path


def _forecast_section(
    forecast: xr.Dataset,
    obs: xr.Dataset | None,
    climatology: Climatology,
    period: tuple[int, int] | None,
) -> str:
    """Return pictures of the last forecast of each season, and plumes."""
    seasons = list(dict.fromkeys(forecast["season"].values.tolist()))
    last = [int(np.flatnonzero(forecast["season"].values == s)[-1]) for s in seasons]
    some = forecast.isel(time=last)
    terciles = None
    if obs is not None:
        terciles = tercile_probabilities(some, obs, climatology=climatology, period=period)
    parts = ["<h2>Forecast</h2>"]
    for at, season in enumerate(seasons):
        year = int(some["season_year"].values[at])
        beside = "spread of the members" if terciles is None else "most likely tercile"
        caption = f"{season} {year}: mean of the members, and {beside}."
        parts.append(_embed_figure(plot(some, terciles=terciles, time=at), caption))
    if obs is not None and len(last) < forecast.sizes["time"]:
        for region in PLUME_REGIONS:
            if not covers(forecast, region):
                continue
            figure = plot_plume(forecast, region, obs=obs, climatology=climatology)
            caption = f"{seasons[0]} over {region}: members of each year, and what was observed."
            parts.append(_embed_figure(figure, caption))
    return "\n".join(parts)


def _score_section(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    climatology: Climatology,
    references: Sequence[str],
    intervals: int,
) -> str:
    # Fields are computed once, for maps, means and intervals.
    comparison = compare(forecast, obs, references, climatology=climatology)
    comparison = load_fields(comparison, [*TABLE_METRICS, *MAP_METRICS])
    maps = compute_scores(comparison, [*TABLE_METRICS, *MAP_METRICS], set())
    mean_dims = {"season", *Grid.of(forecast).names}
    means = compute_scores(comparison, TABLE_METRICS, mean_dims)
    means = means.merge(compute_intervals(comparison, TABLE_METRICS, mean_dims, intervals))
    caption = (
        f"Means over cells by area, and over seasons; {maps.attrs['seasons']}. In small print, "
        f"90 % intervals from resampled years."
    )
    return "\n".join(
        [
            "<h2>Scores</h2>",
            _score_table(means),
            f"<p>{html.escape(caption)}{html.escape(_note_training(forecast))}</p>",
            _embed_figure(
                plot_scores(maps),
                "Anomaly correlation; dots where it is significant at a false discovery rate of "
                "10 %.",
            ),
            _embed_figure(
                plot_scores(maps, metric="crpss"),
                "Skill of the CRPS against climatology; dots where it is significant, crosses "
                "where it is significantly negative.",
            ),
            _embed_figure(
                plot_reliability(maps), "Reliability of the terciles, and rank histogram."
            ),
        ]
    )


def _note_training(forecast: xr.Dataset) -> str:
    """Return what to know of years that the emulator learned from; nothing if there are none."""
    found = re.fullmatch(r"(\d+)-(\d+)", str(forecast.attrs.get("training_years", "")))
    years = forecast["season_year"].values
    if found is None or not ((years >= int(found[1])) & (years <= int(found[2]))).any():
        return ""
    return (
        f" The emulator learned from {found[0]}: if from these observations, its scores in these "
        "years are too good."
    )


def _score_table(scores: xr.Dataset) -> str:
    """Return scores with their intervals as an HTML table."""
    table = summarise(scores)
    heads = "".join(
        f'<th scope="col">{html.escape(str(name))}</th>' for name in ("forecast", *table.columns)
    )
    lines = []
    for label, row in table.iterrows():
        cells = [f'<th scope="row">{html.escape(str(label))}</th>']
        for name, value in row.items():
            text = "–" if not np.isfinite(value) else f"{value:.3f}"
            if f"{name}_interval" in scores and np.isfinite(value):
                low, high = scores[f"{name}_interval"].sel(forecast=label).values
                text += f"<br><small>{low:.3f} to {high:.3f}</small>"
            cells.append(f"<td>{text}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table id="scores"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _provenance_section(forecast: xr.Dataset) -> str:
    items = "\n".join(
        f"<dt>{html.escape(str(k).replace('_', ' '))}</dt><dd>{html.escape(str(v))}</dd>"
        for k, v in forecast.attrs.items()
    )
    return f'<h2>How it was made</h2>\n<dl id="made">{items}</dl>'


def _embed_figure(figure: Figure, caption: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, dpi=110, format="png")
    data = base64.b64encode(file.getvalue()).decode()
    text = html.escape(caption)
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{text}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
