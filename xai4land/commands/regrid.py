"""``xai4land regrid``."""

from __future__ import annotations

from typing import Any, Literal

import click

import xai4land
from xai4land.commands.arguments import (
    EXISTING,
    OVERWRITE,
    QUIET,
    STORE,
    TARGET,
    ZARR_FORMAT,
    add_options,
)
from xai4land.commands.places import Place, check_output, open_place

__all__ = ["regrid"]

METHODS = ("conservative", "bilinear", "nearest", "majority", "fractions")


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("target", type=TARGET)
@click.argument("out", type=STORE)
@click.option("--method", type=click.Choice(METHODS), default="conservative", show_default=True)
@click.option(
    "--engine",
    type=click.Choice(("auto", "xesmf", "xarray-regrid")),
    default="auto",
    show_default=True,
)
@click.option(
    "--min-coverage", default=0.5, show_default=True, help="Share of a cell that must be known."
)
@add_options(OVERWRITE, ZARR_FORMAT, QUIET)
def regrid(
    data: Place,
    target: float | Place,
    out: Place,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
    **how: Any,
) -> None:
    """Bring DATA to the grid TARGET (degrees, or a file on that grid) into OUT (.zarr or .nc)."""
    check_output(out, data, target)
    made = xai4land.regrid(open_place(data), open_place(target), **how)
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")
