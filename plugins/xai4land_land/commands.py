"""Commands of the land plugin; they mirror the functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
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
    FILE_OR_NAME,
    MAPPING,
    NAMES,
    OVERWRITE,
    PAIRS,
    PATHS,
    QUIET,
    STEPS,
    STORE,
    TARGET,
    WRITTEN,
    ZARR_FORMAT,
    add_options,
    drop_missing,
    save_trained,
    settings_options,
)
from xai4land.commands.places import Place, check_output, check_picture, name_of, open_place
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


def precision(default: str) -> Any:
    """Return the option of the precision of networks."""
    kinds = click.Choice(("auto", "float32", "bfloat16"))
    return click.option("--precision", type=kinds, default=default, show_default=True)


BATCHES = add_options(
    click.option("--chunks", type=CHUNKS, help="Rows and columns of an output chunk."),
    click.option("--batch-size", default=8, show_default=True, help="Windows in a batch."),
    DEVICE,
)
RUNNING = add_options(BATCHES, precision("auto"))
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
        "--land",
        type=FILE_OR_NAME,
        help="A land mask for all maps: a file, or an input that is known on land alone.",
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


def _open_variable(place: Place | None) -> xr.DataArray | None:
    """Return the one variable of a file."""
    if place is None:
        return None
    data = open_place(place)
    maps: list[xr.DataArray] = [
        v for v in data.data_vars.values() if v.ndim >= 2 and v.dims[-1] != "bnds"
    ]
    if len(maps) != 1:
        names = ", ".join(str(v.name) for v in maps) or "none"
        raise InputError(
            f"{name_of(place)} has variables {names}, expected one; select it into a file"
        )
    return maps[0]


def _reconstruct(states: Place, **how: Any) -> xr.Dataset:
    how |= {name: open_place(how[name]) for name in ("static", "target", "prior", "land")}
    return xai4land_land.reconstruct(open_place(states), **how)


@click.command()
@click.argument("states", type=EXISTING)
@click.argument("out", type=STORE)
@HOW_TO_RECONSTRUCT
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def reconstruct(
    states: Place, out: Place, overwrite: bool, zarr_format: Literal[2, 3], quiet: bool, **how: Any
) -> None:
    """Reconstruct land cover from STATES into OUT (.zarr or .nc)."""
    check_output(out, states, how["static"], how["target"], how["prior"], how["land"])
    made = _reconstruct(states, **how)
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


@click.command("leaf-area")
@click.argument("data", type=EXISTING)
@click.argument("climate", type=EXISTING)
@click.argument("out", type=STORE)
@add_options(GRID)
@click.option(
    "--lapse-rate", type=float, help="K/km that temperature falls with elevation, as 6.5."
)
@add_options(BATCHES, precision("float32"), OVERWRITE, ZARR_FORMAT, QUIET)
def leaf_area(
    data: Place,
    climate: Place,
    out: Place,
    static: Place | None,
    target: float | Place | None,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
    **how: Any,
) -> None:
    """Make monthly leaf area of the land cover in DATA and of CLIMATE, into OUT (.zarr or .nc)."""
    check_output(out, data, climate, static, target)
    made = xai4land_land.leaf_area(
        open_place(data),
        open_place(climate),
        static=open_place(static),
        target=open_place(target),
        **how,
    )
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


@click.command()
@click.argument("states", type=EXISTING)
@HOW_TO_RECONSTRUCT
def explain(states: Place, **how: Any) -> None:
    """Say what a reconstruction from STATES with the same options will take."""
    click.echo(repr(xai4land.explain(_reconstruct(states, **how))))


@click.command()
@click.argument("states", type=EXISTING)
@click.argument("truth", type=EXISTING)
@click.argument("out", type=WRITTEN)
@add_options(STATIC, LEGEND)
@click.option(
    "--also",
    type=PATHS,
    multiple=True,
    help="More to learn from: states,truth or states,truth,static; may be given several times.",
)
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
    states: Place,
    truth: Place,
    out: Path,
    static: Place | None,
    also: Sequence[Sequence[Place]],
    prior: Place | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Train an emulator on STATES and TRUTH, and save it to OUT (.safetensors)."""
    if out.suffix != ".safetensors":
        raise InputError(f"{out} is no emulator's name; end it in .safetensors")
    check_output(out, states, truth, static, prior, *(file for files in also for file in files))
    command = f"xai4land fit {name_of(states)} {name_of(truth)} {out.name}"
    for option, file in (("--static", static), ("--prior", prior)):
        command += f" {option} {name_of(file)}" if file else ""
    command += "".join(f" --also {','.join(map(name_of, files))}" for files in also)
    made = xai4land_land.fit(
        open_place(states),
        open_place(truth),
        static=open_place(static),
        also=tuple(tuple(map(open_place, files)) for files in also),
        prior=open_place(prior),
        progress=not quiet,
        command=command,
        **drop_missing(how),
    )
    save_trained(ctx, made, out)


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
@click.pass_context
def fit_leaf_area(
    ctx: click.Context,
    /,
    data: Place,
    climate: Place,
    truth: Place,
    out: Path,
    static: Place | None,
    quiet: bool,
    **how: Any,
) -> None:
    """Train an emulator of TRUTH on land cover in DATA and CLIMATE, into OUT (.safetensors)."""
    if out.suffix != ".safetensors":
        raise InputError(f"{out} is no emulator's name; end it in .safetensors")
    check_output(out, data, climate, truth, static)
    inputs = " ".join(map(name_of, (data, climate, truth)))
    command = f"xai4land fit-leaf-area {inputs} {out.name}"
    made = xai4land_land.fit_leaf_area(
        open_place(data),
        open_place(climate),
        open_place(truth),
        static=open_place(static),
        progress=not quiet,
        command=command + (f" --static {name_of(static)}" if static else ""),
        **drop_missing(how),
    )
    save_trained(ctx, made, out)


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
def evaluate(data: Place, truth: Place, prior: Place | None, plot: Path | None, **how: Any) -> None:
    """Score the map in DATA, and the maps beside it, against TRUTH."""
    if plot is not None:
        check_picture(plot)
    how |= {name: _open_variable(how[name]) for name in ("where", "weights", "regions")}
    scores = xai4land_land.evaluate(
        open_place(data), open_place(truth), prior=open_place(prior), **how
    ).compute()
    click.echo(format_table(xai4land_land.summarise(scores)))
    if plot is not None:
        xai4land_land.plot_scores(scores).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("target", type=TARGET)
@click.argument("out", type=STORE)
@click.option(
    "--min-coverage", default=0.5, show_default=True, help="Share of a cell that must be known."
)
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def fractions(
    data: Place,
    target: float | Place,
    out: Place,
    min_coverage: float,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
) -> None:
    """Compute the area fractions of classes in DATA on the grid TARGET into OUT (.zarr or .nc)."""
    check_output(out, data, target)
    made = xai4land_land.fractions(open_place(data), open_place(target), min_coverage=min_coverage)
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")


@click.command("to-legend")
@click.argument("data", type=EXISTING)
@click.argument("legend")
@click.argument("out", type=STORE)
@click.option("--climate", type=EXISTING, help="Monthly tas and pr, for clm5.")
@click.option("--koppen", type=EXISTING, help="Classes of Köppen instead of a climate.")
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def to_legend(
    data: Place,
    legend: str,
    out: Place,
    climate: Place | None,
    koppen: Place | None,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
) -> None:
    """Bring DATA to LEGEND (hilda8, igbp, ipcc, clm5, my.csv) into OUT (.zarr or .nc)."""
    check_output(out, data, climate, koppen)
    made = xai4land_land.to_legend(
        open_place(data), legend, climate=open_place(climate), koppen=open_place(koppen)
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
