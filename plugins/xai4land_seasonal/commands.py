"""Commands of the seasonal plugin; they mirror the functions of the same names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xai4land.commands.arguments import EXISTING, WRITTEN, check_folder, check_picture
from xai4land.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COMMANDS"]


def _read(path: Path) -> xr.Dataset:
    """Read monthly fields from NetCDF or Zarr, whose coordinates have CF or common names."""
    import cf_xarray  # noqa: F401  (registers .cf)

    from xai4land.store import open_store

    data: xr.Dataset = open_store(path).cf.guess_coord_axis()
    return data


def _years(text: str | None, what: str) -> tuple[int, int] | None:
    """Return ``"1981-2010"`` as two years, and one year twice."""
    if text is None:
        return None
    parts = text.split("-")
    try:
        first, last = int(parts[0]), int(parts[-1])
    except ValueError:
        first, last = 1, 0
    if first > last or len(parts) > 2:
        raise InputError(f"--{what} {text!r}, expected a year or two, as 1981-2010")
    return first, last


CLIMATOLOGY = click.option(
    "--climatology", help="Years of the means, as 1951-1980; none if data are anomalies."
)


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("out", type=WRITTEN)
@click.option("--season", "seasons", multiple=True, default=("DJF",), show_default=True)
@click.option("--years", help="Of the seasons, as 1981-2000; by default all that can be forecast.")
@click.option("--members", default=100, show_default=True)
@click.option("--lead", default=1, show_default=True, help="Whole months before the season.")
@click.option("--emulator", help="Name, .safetensors file, or reference; the fitting by default.")
@CLIMATOLOGY
@click.option("--seed", default=0, show_default=True)
@click.option("--plot", type=WRITTEN, help="Save a picture of the last forecast.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def forecast(
    data: Path,
    out: Path,
    seasons: tuple[str, ...],
    years: str | None,
    members: int,
    lead: int,
    emulator: str | None,
    climatology: str | None,
    seed: int,
    plot: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Forecast seasons from the monthly fields in DATA into OUT (.zarr or .nc)."""
    from xai4land.store import open_store, write
    from xai4land_seasonal.forecasting import forecast
    from xai4land_seasonal.products.forecast_maps import plot as draw

    check_folder(out)
    if plot is not None:
        check_picture(plot)
    span = _years(years, "years")
    made = forecast(
        _read(data),
        seasons,
        members=members,
        lead=lead,
        years=None if span is None else range(span[0], span[1] + 1),
        emulator=emulator,
        climatology=_years(climatology, "climatology"),
        seed=seed,
    )
    click.echo(f"wrote {write(made, out, overwrite=overwrite, progress=not quiet)}")
    if plot is not None:
        draw(open_store(out)).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")


@click.command()
@click.argument("made", type=EXISTING)
@click.argument("obs", type=EXISTING)
@click.option(
    "--reference",
    "references",
    multiple=True,
    default=("climatology", "trend", "persistence"),
    show_default=True,
)
@click.option("--metric", "metrics", multiple=True, help="By default the usual ones.")
@click.option("--region", "regions", multiple=True, help="Scores of regions' means.")
@CLIMATOLOGY
@click.option("--plot", type=WRITTEN, help="Save maps of the first metric.")
@click.option("--report", type=WRITTEN, help="Write one page (.html) with maps and scores.")
def verify(
    made: Path,
    obs: Path,
    references: tuple[str, ...],
    metrics: tuple[str, ...],
    regions: tuple[str, ...],
    climatology: str | None,
    plot: Path | None,
    report: Path | None,
) -> None:
    """Score the forecast MADE, and references, against the monthly fields in OBS."""
    from xai4land.store import open_store
    from xai4land_seasonal.products.report import report as write_page
    from xai4land_seasonal.products.score_maps import plot_scores
    from xai4land_seasonal.verification.defaults import DEFAULT_METRICS
    from xai4land_seasonal.verification.scores import summarise
    from xai4land_seasonal.verification.verify import verify

    if plot is not None:
        check_picture(plot)
    if report is not None:
        check_folder(report)
    period = _years(climatology, "climatology")
    ensemble, truth = open_store(made), _read(obs)
    scores = verify(
        ensemble,
        truth,
        references=references,
        metrics=metrics or DEFAULT_METRICS,
        regions=regions or None,
        climatology=period,
    ).compute()
    click.echo(summarise(scores).round(3).to_string())
    if plot is not None:
        plot_scores(scores, metric=(metrics or DEFAULT_METRICS)[0]).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")
    if report is not None:
        write_page(ensemble, report, obs=truth, climatology=period, references=references)
        click.echo(f"wrote {report}")


COMMANDS = [forecast, verify]
