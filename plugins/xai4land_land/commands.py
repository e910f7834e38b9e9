"""Commands of the land plugin; they mirror the functions of the same names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import xai4land
import xai4land_land
from xai4land.commands.arguments import (
    AREAS,
    CHUNKS,
    COUNTS,
    DEVICE,
    EXISTING,
    MAPPING,
    NAMES,
    OVERWRITE,
    PAIRS,
    QUIET,
    STEPS,
    TARGET,
    WRITTEN,
    ZARR_FORMAT,
    add_options,
    check_output,
    check_picture,
    describe_run,
    drop_missing,
    settings_options,
)
from xai4land.commands.tables import format_table
from xai4land.errors import InputError
from xai4land.training.settings import MapSettings

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COMMANDS"]

STATIC = click.option(
    "--static", type=EXISTING, help="Static features, if they are not with the states."
)
LEGEND = click.option("--legend", help="How the truth's codes merge; by default the one that fits.")
GRID = add_options(
    click.option("--emulator", help="Name or .safetensors file; by default the one that fits."),
    STATIC,
    click.option(
        "--target", type=TARGET, help="Degrees, or a file; by default the finest input's grid."
    ),
)
RUNNING = add_options(
    click.option("--chunks", type=CHUNKS, help="Rows and columns of an output chunk."),
    click.option("--batch-size", default=8, show_default=True, help="Windows in a batch."),
    DEVICE,
    click.option(
        "--precision",
        type=click.Choice(("auto", "float32", "bfloat16")),
        default="auto",
        show_default=True,
    ),
)
HOW_TO_RECONSTRUCT = add_options(
    GRID,
    click.option("--prior", type=EXISTING, help="Map of a known year, or of several."),
    click.option("--years", type=STEPS, help="Beginning or ending with the prior's: 2014:1850."),
    click.option("--every", default=1, show_default=True, help="Years of a step."),
    click.option(
        "--demand",
        type=click.Choice(("change", "level")),
        default="change",
        show_default=True,
        help="Whether maps follow the states' change, or their level.",
    ),
    click.option("--exchange", is_flag=True, help="Exchange classes beyond the net change."),
    click.option(
        "--land", help="A land mask for all maps: a file, or an input that is known on land alone."
    ),
    click.option("--probabilities", is_flag=True, help="Give the probability of every class too."),
    click.option(
        "--areas", type=AREAS, default="free", help="free, exact, or by how much they differ."
    ),
    click.option("--members", type=int, help="Draw so many maps, in place of the most likely one."),
    click.option("--seed", default=0, show_default=True, help="Of the maps that are drawn."),
    click.option("--uncertainty", is_flag=True, help="Give entropy and margin of these, too."),
    click.option("--baselines/--no-baselines", default=True, help="Give the baselines' maps too."),
    RUNNING,
)


def _open(path: Path | None) -> xr.Dataset | None:
    return None if path is None else xai4land.open_store(path)


def _open_variable(path: Path | None) -> xr.DataArray | None:
    """Return the one variable of a file."""
    if path is None:
        return None
    data = xai4land.open_store(path)
    maps = [v for v in data.data_vars.values() if v.ndim >= 2 and v.dims[-1] != "bnds"]
    if len(maps) != 1:
        names = ", ".join(str(v.name) for v in maps) or "none"
        raise InputError(f"{path.name} has variables {names}, expected one; select it into a file")
    return maps[0]


def _list_paths(how: dict[str, Any]) -> list[Path]:
    """Return the files that a reconstruction reads beside the states."""
    files = [how["static"], how["target"], how["prior"], how["land"] and Path(how["land"])]
    return [file for file in files if isinstance(file, Path)]


def _reconstruct(
    states: Path,
    static: Path | None,
    target: float | Path | None,
    prior: Path | None,
    land: str | None,
    **how: Any,
) -> xr.Dataset:
    grid = xai4land.open_store(target) if isinstance(target, Path) else target
    mask = xai4land.open_store(land) if land and Path(land).exists() else land
    return xai4land_land.reconstruct(
        xai4land.open_store(states),
        static=_open(static),
        target=grid,
        prior=_open(prior),
        land=mask,
        **how,
    )


@click.command()
@click.argument("states", type=EXISTING)
@click.argument("out", type=WRITTEN)
@HOW_TO_RECONSTRUCT
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def reconstruct(
    states: Path, out: Path, overwrite: bool, zarr_format: Literal[2, 3], quiet: bool, **how: Any
) -> None:
    """Reconstruct land cover from STATES into OUT (.zarr or .nc)."""
    check_output(out, states, *_list_paths(how))
    made = _reconstruct(states, **how)
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


@click.command("leaf-area")
@click.argument("data", type=EXISTING)
@click.argument("climate", type=EXISTING)
@click.argument("out", type=WRITTEN)
@add_options(GRID)
@click.option(
    "--lapse-rate", type=float, help="K/km that temperature falls with elevation, as 6.5."
)
@add_options(RUNNING, OVERWRITE, ZARR_FORMAT, QUIET)
def leaf_area(
    data: Path,
    climate: Path,
    out: Path,
    static: Path | None,
    target: float | Path | None,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
    **how: Any,
) -> None:
    """Make monthly leaf area of the land cover in DATA and of CLIMATE, into OUT (.zarr or .nc)."""
    files = [climate, static, target]
    check_output(out, data, *(file for file in files if isinstance(file, Path)))
    made = xai4land_land.leaf_area(
        xai4land.open_store(data),
        xai4land.open_store(climate),
        static=_open(static),
        target=xai4land.open_store(target) if isinstance(target, Path) else target,
        **how,
    )
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


@click.command()
@click.argument("states", type=EXISTING)
@HOW_TO_RECONSTRUCT
def explain(states: Path, **how: Any) -> None:
    """Say what a reconstruction from STATES with the same options will take."""
    click.echo(repr(xai4land.explain(_reconstruct(states, **how))))


@click.command()
@click.argument("states", type=EXISTING)
@click.argument("truth", type=EXISTING)
@click.argument("out", type=WRITTEN)
@add_options(STATIC, LEGEND)
@click.option("--prior", type=EXISTING, help="Maps of other years: learn how one follows another.")
@click.option("--pairs", type=PAIRS, help="Years of prior and truth, as 2009:2012,2012:2009.")
@click.option(
    "--rollouts", default=0, show_default=True, help="Times that it learns from its own maps, too."
)
@click.option("--inputs", type=NAMES, help="Variables to learn from; by default all on a grid.")
@click.option("--name", default="my-landcover", show_default=True)
@click.option("--title", default="", help="Title for the card.")
@click.option("--licence", default="", help="Licence of the data, for the card.")
@click.option("--architecture", default="unet", show_default=True)
@click.option("--parameters", type=MAPPING, help="Of the architecture, as JSON.")
@click.option("--window", type=int, help="Pixels along a side of a window.")
@click.option("--conserve/--no-conserve", default=True, help="Keep the states' fractions.")
@click.option(
    "--smooth", default=0.0, show_default=True, help="Part of that across cells' borders."
)
@click.option("--validation", default=0.15, show_default=True, help="Share of the blocks.")
@add_options(*settings_options(MapSettings), DEVICE, QUIET)
@click.pass_context
def fit(
    ctx: click.Context,
    /,
    states: Path,
    truth: Path,
    out: Path,
    static: Path | None,
    prior: Path | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Train an emulator on STATES and TRUTH, and save it to OUT (.safetensors)."""
    if out.suffix != ".safetensors":
        raise InputError(f"{out} is no emulator's name; end it in .safetensors")
    check_output(out, states, truth, static, prior)
    command = f"xai4land fit {states.name} {truth.name} {out.name}"
    for option, file in (("--static", static), ("--prior", prior)):
        command += f" {option} {file.name}" if file else ""
    made = xai4land_land.fit(
        xai4land.open_store(states),
        xai4land.open_store(truth),
        static=_open(static),
        prior=_open(prior),
        progress=not quiet,
        command=command,
        **drop_missing(how),
    )
    from xai4land.training.distributed import is_first_process

    if how["dry_run"] or not is_first_process():
        return
    record = {**made.card.training, "run": describe_run(ctx)}
    made = type(made)(made.card.with_(training=record), made.weights)
    made.save(out)
    click.echo(repr(made))


@click.command("fit-leaf-area")
@click.argument("data", type=EXISTING)
@click.argument("climate", type=EXISTING)
@click.argument("truth", type=EXISTING)
@click.argument("out", type=WRITTEN)
@add_options(STATIC)
@click.option("--bounds", type=MAPPING, help="Largest leaf area of each class, as JSON.")
@click.option("--inputs", type=NAMES, default=(), help="Static features to learn from.")
@click.option("--lags", default=12, show_default=True, help="Months of climate that it sees.")
@click.option("--name", default="my-leaf-area", show_default=True)
@click.option("--title", default="", help="Title for the card.")
@click.option("--licence", default="", help="Licence of the data, for the card.")
@click.option("--architecture", default="months-rnn", show_default=True)
@click.option("--parameters", type=MAPPING, help="Of the architecture, as JSON.")
@click.option("--window", default=32, show_default=True, help="Pixels along a side of a window.")
@click.option("--validation", default=0.15, show_default=True, help="Share of the blocks.")
@click.option("--validation-years", type=COUNTS, default=(), help="Years held out, as 2011,2012.")
@click.option("--absent", default=0.2, show_default=True, help="Share learned without some rain.")
@add_options(*settings_options(MapSettings), DEVICE, QUIET)
def fit_leaf_area(
    data: Path,
    climate: Path,
    truth: Path,
    out: Path,
    static: Path | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Train an emulator of TRUTH on land cover in DATA and CLIMATE, into OUT (.safetensors)."""
    if out.suffix != ".safetensors":
        raise InputError(f"{out} is no emulator's name; end it in .safetensors")
    check_output(out, data, climate, truth, static)
    command = f"xai4land fit-leaf-area {data.name} {climate.name} {truth.name} {out.name}"
    made = xai4land_land.fit_leaf_area(
        xai4land.open_store(data),
        xai4land.open_store(climate),
        xai4land.open_store(truth),
        static=_open(static),
        progress=not quiet,
        command=command + (f" --static {static.name}" if static else ""),
        **drop_missing(how),
    )
    made.save(out)
    click.echo(repr(made))


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("truth", type=EXISTING)
@click.option("--name", default="land_cover", show_default=True, help="The map's variable.")
@LEGEND
@click.option("--prior", type=EXISTING, help="The map of an earlier or later year: score change.")
@click.option("--factors", type=COUNTS, default="1", help="Windows of change in pixels, as 1,3,9.")
@click.option("--blocks", type=float, help="Degrees of the blocks that intervals are from.")
@click.option("--cells", type=float, help="Degrees of the coarse cells: score texture.")
@click.option("--where", type=EXISTING, help="A mask, true where pixels are to be compared.")
@click.option("--weights", type=EXISTING, help="Weights of pixels, by default their areas.")
@click.option("--regions", type=EXISTING, help="Codes of regions, to score each by itself.")
@click.option("--plot", type=WRITTEN, help="Save a picture of the scores.")
def evaluate(data: Path, truth: Path, prior: Path | None, plot: Path | None, **how: Any) -> None:
    """Score the map in DATA, and the maps beside it, against TRUTH."""
    if plot is not None:
        check_picture(plot)
    how |= {name: _open_variable(how[name]) for name in ("where", "weights", "regions")}
    scores = xai4land_land.evaluate(
        xai4land.open_store(data), xai4land.open_store(truth), prior=_open(prior), **how
    ).compute()
    click.echo(format_table(xai4land_land.summarise(scores)))
    if plot is not None:
        xai4land_land.plot_scores(scores).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("target", type=TARGET)
@click.argument("out", type=WRITTEN)
@click.option(
    "--min-coverage", default=0.5, show_default=True, help="Share of a cell that must be known."
)
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def fractions(
    data: Path,
    target: float | Path,
    out: Path,
    min_coverage: float,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
) -> None:
    """Compute the area fractions of classes in DATA on the grid TARGET into OUT (.zarr or .nc)."""
    check_output(out, data, target if isinstance(target, Path) else None)
    grid = xai4land.open_store(target) if isinstance(target, Path) else target
    made = xai4land_land.fractions(xai4land.open_store(data), grid, min_coverage=min_coverage)
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


@click.command("to-legend")
@click.argument("data", type=EXISTING)
@click.argument("legend")
@click.argument("out", type=WRITTEN)
@click.option("--climate", type=EXISTING, help="Monthly tas and pr, for clm5.")
@click.option("--koppen", type=EXISTING, help="Classes of Köppen instead of a climate.")
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def to_legend(
    data: Path,
    legend: str,
    out: Path,
    climate: Path | None,
    koppen: Path | None,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
) -> None:
    """Bring DATA to LEGEND (hilda8, igbp, ipcc, clm5, my.csv) into OUT (.zarr or .nc)."""
    check_output(out, data, climate, koppen)
    made = xai4land_land.to_legend(
        xai4land.open_store(data), legend, climate=_open(climate), koppen=_open(koppen)
    )
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


COMMANDS = [
    reconstruct,
    leaf_area,
    explain,
    fit,
    fit_leaf_area,
    evaluate,
    fractions,
    to_legend,
]
