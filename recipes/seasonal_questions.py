"""Ask of an emulator what a forecaster asks: is there skill beyond the trend, when, and where?

    python recipes/seasonal_questions.py FOLDER EMULATOR [OUT]

``FOLDER`` holds ``gistemp_2deg_188001-200012.nc`` (GISTEMP, monthly anomalies). ``EMULATOR`` is the
file or name of a seasonal emulator of temperature that has seen no observations after 1980. Four
seasons of 1981-2000 are forecast with 100 members, and scored beside references that use the past
alone. Tables (``tables.md``) and pictures are written to the folder ``OUT``. A minute or two on one
core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from seasonal import read_observations

from xai4land.figures import NotebookFigure
from xai4land.scores.significance import control_fdr
from xai4land_seasonal import forecast, plot_scores, verify
from xai4land_seasonal.data.areas import area_mean
from xai4land_seasonal.data.regions import REGIONS
from xai4land_seasonal.data.seasons import STANDARD_SEASONS
from xai4land_seasonal.products.drawing import LINE_COLOURS
from xai4land_seasonal.verification.matching import to_seasons

YEARS = range(1981, 2001)
RECENT = (1971, 2000)
RIVAL = "trend + damped persistence"
REFERENCES = (
    "climatology",
    "climatology of 30 years",
    "trend",
    "persistence",
    "damped persistence",
    RIVAL,
    "eof-ridge",
)
METRICS = ("acc", "residual_correlation", "msess", "crpss", "rpss")
AREAS = ("globe", "tropics", "northern_extratropics", "southern_extratropics", "europe")
MEANS = (*AREAS, "north_america", "asia", "nino34")
INTERVALS = 1000
Forecasts = Mapping[str, xr.Dataset]


def main(folder: Path, emulator: str, out: Path) -> None:
    """Forecast, score, write tables and pictures."""
    out.mkdir(parents=True, exist_ok=True)
    obs = read_observations(folder)
    made = forecast(obs, STANDARD_SEASONS, years=YEARS, emulator=emulator).compute()
    others = {
        name: forecast(obs, STANDARD_SEASONS, years=YEARS, emulator=name, grid=made).compute()
        for name in REFERENCES
    }
    truth = to_seasons(obs, made, None, "the observations").compute()
    tables = [
        ("Cells of the globe, four seasons", score_cells(made, truth, others, "globe")),
        (f"The same against {RECENT[0]}-{RECENT[1]}", score_rebased(made, obs, others)),
        ("Fields as a whole", score_fields(made, truth, others)),
        ("By season: residual correlation in cells", map_residuals(made, truth, others, out)),
        ("By area: cells, four seasons", score_areas(made, truth, others, out)),
        ("Means over areas: correlation", score_means(made, truth, others)),
        ("Means over areas: spread over error", score_dispersion(made, truth, others)),
    ]
    text = "\n\n".join(f"### {title}\n\n{to_markdown(table)}" for title, table in tables)
    (out / "tables.md").write_text(f"{made.attrs.get('emulator')}, {len(YEARS)} years\n\n{text}\n")
    print(text)


def score_cells(made: xr.Dataset, truth: xr.Dataset, others: Forecasts, area: str) -> pd.DataFrame:
    """Score the cells of an area, over all seasons."""
    some = {name: select_area(one, area) for name, one in {"": made, **others}.items()}
    scores = verify(
        some.pop(""),
        truth,
        references=some,
        metrics=METRICS,
        dim=("time", "season", "lat", "lon"),
        intervals=INTERVALS,
    )
    return tabulate(scores, METRICS)


def score_rebased(made: xr.Dataset, obs: xr.Dataset, others: Forecasts) -> pd.DataFrame:
    """Score against a recent base, against which the warming is no skill."""
    wanted = ("msess", "crpss")
    scores = verify(
        made,
        obs,
        references={k: v for k, v in others.items() if k != "climatology"},
        metrics=wanted,
        dim=("time", "season", "lat", "lon"),
        intervals=INTERVALS,
        rebase=RECENT,
    )
    return tabulate(scores, wanted)


def score_fields(made: xr.Dataset, truth: xr.Dataset, others: Forecasts) -> pd.DataFrame:
    """Score members as maps."""
    wanted = ("energy", "variogram", "neighbour_correlation", "error_correlation")
    scores = verify(
        made,
        truth,
        references=others,
        metrics=wanted,
        dim=("time", "season", "lat", "lon"),
        intervals=INTERVALS,
    )
    return tabulate(scores, wanted)


def map_residuals(
    made: xr.Dataset, truth: xr.Dataset, others: Forecasts, out: Path
) -> pd.DataFrame:
    """Draw where there is skill beyond the trend, and tabulate it by season."""
    metric = "residual_correlation"
    wanted = (metric, f"{metric}_pvalue", "effective_size", "acc", "crpss", "crpss_pvalue")
    scores = verify(made, truth, references=others, metrics=wanted).compute()
    for name in (metric, "crpss"):
        plot_scores(scores, metric=name).savefig(out / f"questions-{name}.png", dpi=100)
    lines = {}
    for season in scores["season"].values:
        line = {}
        one = scores.sel(season=season)
        for name in dict.fromkeys((str(one["forecast"].values[0]), RIVAL, "eof-ridge")):
            found = one.sel(forecast=name)
            line[f"{name}"] = f"{float(area_mean(found[metric])):.3f}"
            significant = control_fdr(found[f"{metric}_pvalue"]).where(found[metric].notnull())
            line[f"{name}: significant"] = f"{100 * float(area_mean(significant * 1.0)):.0f} %"
        lines[season] = line
    return pd.DataFrame(lines).T


def score_areas(made: xr.Dataset, truth: xr.Dataset, others: Forecasts, out: Path) -> pd.DataFrame:
    """Score the cells of areas, and draw the gain over the rival by area."""
    wanted = ("acc", "residual_correlation", "crpss")
    lines, gains = {}, {}
    for area in AREAS:
        some = {name: select_area(one, area) for name, one in {"": made, **others}.items()}
        scores = verify(
            some.pop(""),
            truth,
            references=some,
            metrics=wanted,
            dim=("time", "season", "lat", "lon"),
            intervals=INTERVALS,
        )
        ours = scores.isel(forecast=0)
        lines[area] = {m: with_interval(ours[m], ours[f"{m}_interval"]) for m in wanted}
        rival = scores.sel(forecast=RIVAL)
        lines[area] |= {
            f"gain in {m}": with_interval(ours[m] - rival[m], rival[f"{m}_gain_interval"])
            for m in wanted
        }
        gains[area] = scores
    draw_gains(gains, ("acc", "crpss")).savefig(out / "questions-areas.png", dpi=100)
    return pd.DataFrame(lines).T


def score_means(made: xr.Dataset, truth: xr.Dataset, others: Forecasts) -> pd.DataFrame:
    """Correlate means over areas, by season."""
    scores = verify(made, truth, references=others, metrics=["acc"], regions=MEANS).compute()
    ours, best = scores["acc"].isel(forecast=0), scores["acc"].isel(forecast=slice(1, None))
    lines = {}
    for area in MEANS:
        line = {}
        for season in scores["season"].values:
            rest = best.sel(region=area, season=season)
            name = str(rest["forecast"].values[int(rest.fillna(-9).argmax())])
            value = float(ours.sel(region=area, season=season))
            line[season] = f"{value:.2f} ({name} {float(rest.max()):.2f})"
        lines[area] = line
    return pd.DataFrame(lines).T


def score_dispersion(made: xr.Dataset, truth: xr.Dataset, others: Forecasts) -> pd.DataFrame:
    """Compare the spread of means over areas with their error."""
    scores = verify(
        made,
        truth,
        references={name: others[name] for name in (RIVAL, "eof-ridge")},
        metrics=["dispersion"],
        dim=("time", "season"),
        regions=MEANS,
        intervals=INTERVALS,
    )
    lines = {}
    for area in MEANS:
        one = scores.sel(region=area)
        lines[area] = {
            name: with_interval(
                one["dispersion"].sel(forecast=name), one["dispersion_interval"].sel(forecast=name)
            )
            for name in scores["forecast"].values
        }
    return pd.DataFrame(lines).T


def select_area(data: xr.Dataset, area: str) -> xr.Dataset:
    """Select the cells whose centre is in an area."""
    south, north, west, east = REGIONS[area]
    lon = (data["lon"].values - west) % 360 + west
    rows = np.flatnonzero((data["lat"] >= south) & (data["lat"] <= north))
    columns = np.flatnonzero(lon <= east)
    columns = columns[np.argsort(lon[columns])]
    # Edges are midway between centres, so that the area's need no bounds of their own.
    plain = data.drop_vars([name for name in data.variables if "bnds" in data[name].dims])
    found = plain.isel(lat=rows, lon=columns)
    attrs = {key: value for key, value in data["lon"].attrs.items() if key != "bounds"}
    found = found.assign_coords(lon=("lon", lon[columns], attrs))
    found["lat"].attrs.pop("bounds", None)
    return found


def tabulate(scores: xr.Dataset, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return scores with their intervals, a line for each forecast."""
    lines = {}
    for name in scores["forecast"].values:
        one = scores.sel(forecast=name)
        lines[name] = {m: with_interval(one[m], one[f"{m}_interval"]) for m in metrics}
    return pd.DataFrame(lines).T


def with_interval(value: xr.DataArray, bounds: xr.DataArray) -> str:
    """Return a number and its interval as text."""
    low, high = bounds.values
    return "–" if np.isnan(value) else f"{float(value):.3f} [{low:.3f}, {high:.3f}]"


def draw_gains(scores: Mapping[str, xr.Dataset], metrics: tuple[str, ...]) -> NotebookFigure:
    """Draw the gain over each reference by area, with 90 % intervals."""
    figure = NotebookFigure(figsize=(10, 4.5), layout="constrained")
    for ax, metric in zip(figure.subplots(1, len(metrics), sharey=True), metrics, strict=True):
        for k, reference in enumerate((RIVAL, "eof-ridge", "damped persistence", "trend")):
            for row, one in enumerate(scores.values()):
                gain = one[metric].isel(forecast=0) - one[metric].sel(forecast=reference)
                low, high = one[f"{metric}_gain_interval"].sel(forecast=reference).values
                place = len(scores) - row - 0.17 * (k - 1.5)
                colour = LINE_COLOURS[k]
                ax.plot([low, high], [place, place], color=colour, linewidth=1.5)
                label = f"over {reference}" if row == 0 else None
                ax.plot(float(gain), place, "o", color=colour, markersize=4, label=label)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel(f"gain in {metric}")
        ax.set_yticks(range(len(scores), 0, -1), [a.replace("_", " ") for a in scores])
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8
    )
    return figure


def to_markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    heads = ["", *map(str, table.columns)]
    rows = [
        [str(index), *map(str, row)] for index, row in zip(table.index, table.values, strict=True)
    ]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("emulator", help="a file or a name, not fitted to years after 1980")
    parser.add_argument("out", type=Path, nargs="?", default=Path("questions"))
    main(**vars(parser.parse_args()))
