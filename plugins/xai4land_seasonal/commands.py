"""Commands of the seasonal plugin; they mirror the functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import xai4land
import xai4land_seasonal as seasonal
from xai4land.commands.arguments import (
    COUNTS,
    DEVICE,
    EXISTING,
    FILE,
    MAPPING,
    NAMES,
    OVERWRITE,
    PATHS,
    PERIOD,
    QUIET,
    STORE,
    TARGET,
    WRITTEN,
    add_options,
    drop_missing,
    save_trained,
    settings_options,
)
from xai4land.commands.places import (
    Place,
    check_output,
    check_picture,
    name_of,
    open_place,
    stem_of,
)
from xai4land.commands.tables import format_table
from xai4land.errors import InputError
from xai4land_seasonal.emulator.settings import Settings
from xai4land_seasonal.verification.defaults import DEFAULT_METRICS, DEFAULT_REFERENCES

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COMMANDS"]

CLIMATOLOGY = click.option(
    "--climatology",
    type=PERIOD,
    help="Years of the means, as 1951-1980; none if data are anomalies.",
)
SIMULATIONS = click.option(
    "--simulations", type=PATHS, help="Files of simulations, with commas between them."
)
GRID = click.option("--grid", type=TARGET, help="Degrees, or a file; by default the data's grid.")
SEED = click.option("--seed", default=0, show_default=True)


def _open(place: Place) -> xr.Dataset:
    """Open monthly fields; coordinates are recognised by CF attributes or usual names."""
    import cf_xarray  # noqa: F401  (registers .cf)

    data: xr.Dataset = open_place(place).cf.guess_coord_axis()
    return data


def _open_inputs(
    simulations: Sequence[Place] | None, grid: float | Place | None, **how: Any
) -> dict[str, Any]:
    """Return options with their files opened; simulations are named after their files."""
    if simulations is not None:
        names = [stem_of(place) for place in simulations]
        if len(set(names)) < len(names):
            raise InputError(
                f"simulations are named after their files, and these have one name: "
                f"{', '.join(map(str, simulations))}; rename some"
            )
        how["simulations"] = dict(zip(names, map(_open, simulations), strict=True))
    how["grid"] = open_place(grid)
    return drop_missing(how)


def _write(data: xr.Dataset, out: Place, overwrite: bool, quiet: bool) -> None:
    written = xai4land.write(data, out, overwrite=overwrite, progress=not quiet)
    click.echo(f"wrote {written}")


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("out", type=STORE)
@click.option("--seasons", type=NAMES, help="As DJF,JJA; by default DJF.")
@click.option("--lead", default=1, show_default=True, help="Whole months before the season.")
@click.option("--years", type=PERIOD, help="As 1981-2000; by default all that can be forecast.")
@click.option("--members", default=100, show_default=True)
@click.option("--emulator", help="Name, file, or reference; by default the one that fits.")
@add_options(CLIMATOLOGY, SIMULATIONS, GRID)
@click.option("--variables", type=NAMES, help="What references forecast; by default all.")
@SEED
@click.option("--plot", type=WRITTEN, help="Save a picture of the last forecast.")
@add_options(OVERWRITE, QUIET)
def forecast(
    data: Place,
    out: Place,
    years: tuple[int, int] | None,
    plot: Path | None,
    overwrite: bool,
    quiet: bool,
    **how: Any,
) -> None:
    """Forecast seasons from the monthly fields in DATA into OUT (.zarr or .nc)."""
    check_output(out, data, how["grid"], *(how["simulations"] or ()))
    if plot is not None:
        check_picture(plot)
    how = _open_inputs(**how)
    if years is not None:
        how["years"] = range(years[0], years[1] + 1)
    _write(seasonal.forecast(_open(data), **how), out, overwrite, quiet)
    if plot is not None:
        seasonal.plot(open_place(out)).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("folder", type=WRITTEN)
@click.option("--leads", type=COUNTS, help="Whole months before a season; by default 1.")
@click.option("--members", default=100, show_default=True)
@click.option("--emulator", help="Name, file, or reference; by default the one that fits.")
@CLIMATOLOGY
@click.option("--period", type=PERIOD, help="Years of the terciles; by default the climatology's.")
@click.option("--hindcast", default=0, show_default=True, help="Years before, to score.")
@click.option("--calibrated", is_flag=True, help="Correct mean and spread by the hindcast.")
@SEED
@click.option("--overwrite", is_flag=True, help="Replace FOLDER if it was issued before.")
def issue(data: Place, folder: Path, **how: Any) -> None:
    """Forecast the coming season from the newest months in DATA; write FOLDER with maps and all."""
    written = seasonal.issue(_open(data), folder, **drop_missing(how))
    click.echo(f"wrote {written}: {', '.join(sorted(path.name for path in written.iterdir()))}")


@click.command("fit-seasonal")
@click.argument("data", type=EXISTING)
@click.argument("out", type=WRITTEN)
@SIMULATIONS
@click.option("--predictors", type=NAMES, help="By default all monthly variables.")
@click.option("--targets", type=NAMES, help="Predictors to forecast; by default all.")
@click.option("--leads", type=COUNTS, help="Whole months before the season; by default 1.")
@GRID
@click.option("--region", help="Name of the region to forecast; by default the globe.")
@click.option("--validation", default=20, show_default=True, help="Last years to hold out.")
@click.option("--trend", type=click.Choice(("line", "shrunk")), default="shrunk", show_default=True)
@click.option("--name", default="my-seasonal", show_default=True)
@click.option("--title", default="", help="Title for the card.")
@click.option("--licence", default="", help="Licence of the data, for the card.")
@click.option("--smooth", type=NAMES, help="Simulations that do not resolve the grid.")
@click.option("--chosen", type=FILE, help="Emulator whose blend and spread are kept.")
@click.option("--parameters", type=MAPPING, help="Of the network, as JSON.")
@add_options(*settings_options(Settings), DEVICE, QUIET)
@click.pass_context
def fit(ctx: click.Context, /, data: Place, out: Path, quiet: bool, **how: Any) -> None:
    """Train a seasonal emulator on the monthly fields in DATA; save it to OUT (.safetensors)."""
    if out.suffix != ".safetensors":
        raise InputError(f"{out} is no emulator's name; end it in .safetensors")
    check_output(out, data, how["grid"], *(how["simulations"] or ()))
    command = f"xai4land fit-seasonal {name_of(data)} {out.name}"
    if how.get("chosen") is not None:
        how["chosen"] = xai4land.load_emulator(how["chosen"])
    made = seasonal.fit(_open(data), command=command, progress=not quiet, **_open_inputs(**how))
    save_trained(ctx, made, out)


@click.command()
@click.argument("forecast", type=EXISTING)
@click.argument("obs", type=EXISTING)
@click.option(
    "--references",
    type=NAMES,
    default=",".join(DEFAULT_REFERENCES),
    show_default=True,
)
@click.option("--metrics", type=NAMES, default=",".join(DEFAULT_METRICS), show_default=True)
@click.option("--dim", type=NAMES, help="Dimensions to average over; by default time.")
@click.option("--regions", type=NAMES, help="Scores of regions' means.")
@click.option("--intervals", default=0, show_default=True, help="Resamples for 90 % intervals.")
@CLIMATOLOGY
@click.option("--variable", help="By default the first that both have.")
@click.option("--rebase", type=PERIOD, help="Bring all to this base first, as 1991-2020.")
@SEED
@click.option("--plot", type=WRITTEN, help="Save maps of the first metric.")
@click.option("--report", type=WRITTEN, help="Write one page (.html) with maps and scores.")
@QUIET
def verify(
    forecast: Place,
    obs: Place,
    plot: Path | None,
    report: Path | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Score FORECAST, and references, against the monthly fields in OBS."""
    if plot is not None:
        check_picture(plot)
    if report is not None:
        check_output(report, forecast, obs)
    ensemble, truth = open_place(forecast), _open(obs)
    scores = seasonal.verify(ensemble, truth, progress=not quiet, **drop_missing(how)).compute()
    click.echo(format_table(seasonal.summarise(scores)))
    if plot is not None:
        seasonal.plot_scores(scores, metric=how["metrics"][0]).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")
    if report is not None:
        same = {name: how[name] for name in ("climatology", "references")}
        seasonal.report(ensemble, report, obs=truth, **same)
        click.echo(f"wrote {report}")


@click.command()
@click.argument("forecast", type=EXISTING)
@click.argument("obs", type=EXISTING)
@click.argument("out", type=STORE)
@click.option(
    "--method",
    type=click.Choice(("regression", "crps", "logistic")),
    default="regression",
    show_default=True,
)
@click.option("--years", type=click.Choice(("others", "past")), default="others", show_default=True)
@add_options(CLIMATOLOGY, OVERWRITE, QUIET)
def calibrate(
    forecast: Place, obs: Place, out: Place, overwrite: bool, quiet: bool, **how: Any
) -> None:
    """Correct mean and spread of FORECAST by the monthly fields in OBS, into OUT."""
    check_output(out, forecast, obs)
    made = seasonal.calibrate(open_place(forecast), _open(obs), **how)
    _write(made, out, overwrite, quiet)


@click.command("tercile-probabilities")
@click.argument("forecast", type=EXISTING)
@click.argument("obs", type=EXISTING)
@click.argument("out", type=STORE)
@CLIMATOLOGY
@click.option("--period", type=PERIOD, help="Years that thresholds come from; by default all.")
@add_options(OVERWRITE, QUIET)
def tercile_probabilities(
    forecast: Place, obs: Place, out: Place, overwrite: bool, quiet: bool, **how: Any
) -> None:
    """Count the members of FORECAST in each tercile of the monthly fields in OBS, into OUT."""
    check_output(out, forecast, obs)
    made = seasonal.tercile_probabilities(open_place(forecast), _open(obs), **how)
    _write(made, out, overwrite, quiet)


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("period", type=PERIOD)
@click.argument("out", type=STORE)
@click.option("--obs", type=EXISTING, help="Anomalies as observed; needed for forecasts.")
@add_options(OVERWRITE, QUIET)
def rebase(
    data: Place,
    period: tuple[int, int],
    out: Place,
    obs: Place | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Bring the anomalies in DATA to the base PERIOD (as 1991-2020), into OUT."""
    check_output(out, data, obs)
    observed = None if obs is None else _open(obs)
    made = seasonal.rebase(open_place(data), period, obs=observed)
    _write(made, out, overwrite, quiet)


COMMANDS = [forecast, issue, fit, verify, calibrate, tercile_probabilities, rebase]
