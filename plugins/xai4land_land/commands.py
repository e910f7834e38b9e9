"""Commands of the land plugin; they mirror the functions of the same names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xai4land.commands.arguments import EXISTING, WRITTEN, check_folder, check_picture
from xai4land.commands.tables import format_table
from xai4land.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COMMANDS"]


def _opened(path: Path | None, lazy: bool = True) -> xr.Dataset | None:
    """Static features, if they have a file of their own."""
    from xai4land.store import open_store

    return None if path is None else open_store(path, lazy=lazy)


@click.command()
@click.argument("states", type=EXISTING)
@click.argument("out", type=WRITTEN)
@click.option("--emulator", help="Name or .safetensors file; by default the one that fits.")
@click.option("--static", type=EXISTING, help="Static features, if they are not with the states.")
@click.option("--target", type=float, help="Resolution in degrees; by default the finest input's.")
@click.option("--probabilities", is_flag=True, help="Write the probability of every class too.")
@click.option("--baselines/--no-baselines", default=True, help="Write the baselines' maps too.")
@click.option("--device", default="auto", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def reconstruct(
    states: Path,
    out: Path,
    emulator: str | None,
    static: Path | None,
    target: float | None,
    probabilities: bool,
    baselines: bool,
    device: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Reconstruct land cover from STATES into OUT (.zarr or .nc)."""
    from xai4land.store import open_store, write
    from xai4land_land.landcover import reconstruct

    made = reconstruct(
        open_store(states),
        emulator,
        static=_opened(static),
        target=target,
        probabilities=probabilities,
        baselines=baselines,
        device=device,
    )
    click.echo(f"wrote {write(made, out, overwrite=overwrite, progress=not quiet)}")


@click.command()
@click.argument("states", type=EXISTING)
@click.argument("truth", type=EXISTING)
@click.argument("out", type=WRITTEN)
@click.option("--static", type=EXISTING, help="Static features, if they are not with the states.")
@click.option("--legend", help="How the truth's codes merge; by default the first that fits.")
@click.option("--name", default="my-landcover", show_default=True)
@click.option("--epochs", default=20, show_default=True)
@click.option("--steps", default=50, show_default=True, help="Batches an epoch.")
@click.option("--batch-size", default=8, show_default=True)
@click.option("--learning-rate", default=2e-3, show_default=True)
@click.option("--validation", default=0.15, show_default=True, help="Share of the blocks.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def fit(states: Path, truth: Path, out: Path, static: Path | None, quiet: bool, **how: Any) -> None:
    """Train an emulator on STATES and TRUTH, and save it to OUT (.safetensors)."""
    from xai4land.store import open_store
    from xai4land_land.fitting import fit

    if out.suffix != ".safetensors":
        raise InputError(f"{out} is no emulator's name; end it in .safetensors")
    check_folder(out)
    command = f"xai4land fit {states.name} {truth.name} {out.name}"
    made = fit(
        open_store(states, lazy=False),
        open_store(truth, lazy=False),
        static=_opened(static, lazy=False),
        progress=not quiet,
        command=command + (f" --static {static.name}" if static else ""),
        **how,
    )
    made.save(out)
    click.echo(repr(made))


@click.command()
@click.argument("made", type=EXISTING)
@click.argument("truth", type=EXISTING)
@click.option("--legend", help="How the truth's codes merge; by default the map's own.")
@click.option("--plot", type=WRITTEN, help="Save a picture of the scores.")
def evaluate(made: Path, truth: Path, legend: str | None, plot: Path | None) -> None:
    """Score the map MADE, and the baselines in it, against TRUTH."""
    from xai4land.store import open_store
    from xai4land_land.plots import plot_scores
    from xai4land_land.scores import evaluate, summarise

    if plot is not None:
        check_picture(plot)
    scores = evaluate(open_store(made), open_store(truth), legend=legend).compute()
    click.echo(format_table(summarise(scores)))
    if plot is not None:
        plot_scores(scores).savefig(plot, dpi=150)
        click.echo(f"wrote {plot}")


COMMANDS = [reconstruct, fit, evaluate]
