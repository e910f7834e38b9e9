"""``xai4land regrid``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

import xai4land
from xai4land.commands.arguments import (
    EXISTING,
    OVERWRITE,
    QUIET,
    TARGET,
    WRITTEN,
    ZARR_FORMAT,
    add_options,
    check_output,
)

__all__ = ["regrid"]

METHODS = ("conservative", "bilinear", "nearest", "majority", "fractions")


@click.command()
@click.argument("data", type=EXISTING)
@click.argument("target", type=TARGET)
@click.argument("out", type=WRITTEN)
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
    data: Path,
    target: float | Path,
    out: Path,
    overwrite: bool,
    zarr_format: Literal[2, 3],
    quiet: bool,
    **how: Any,
) -> None:
    """Bring DATA to the grid TARGET (degrees, or a file on that grid) into OUT (.zarr or .nc)."""
    check_output(out, data, target)
    grid = xai4land.open_store(target) if isinstance(target, Path) else target
    made = xai4land.regrid(xai4land.open_store(data), grid, **how)
    written = xai4land.write(
        made, out, overwrite=overwrite, zarr_format=zarr_format, progress=not quiet
    )
    click.echo(f"wrote {written}")
