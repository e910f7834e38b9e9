"""``xai4land emulators``: list, show, pull, verify, export, publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xai4land.commands.arguments import WRITTEN
from xai4land.commands.groups import Group
from xai4land.commands.tables import format_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["emulators"]


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def emulators(context: click.Context) -> None:
    """List the emulators that are bundled and registered; or show, pull, verify them."""
    if context.invoked_subcommand is None:
        import xai4land

        _print(xai4land.emulators())


@emulators.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the card of an emulator (a name, a file, or https://…#sha256=…)."""
    from xai4land.emulator.names import show

    click.echo(show(name))


@emulators.command()
@click.argument("name")
def pull(name: str) -> None:
    """Download an emulator; its card is printed first, the path of the file at the end."""
    from xai4land.emulator.names import pull

    click.echo(pull(name))


@emulators.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> None:
    """Read files again and compare them with their hashes: all that are here, or those named."""
    from xai4land.emulator.names import verify

    _print(verify(names))


@emulators.command()
@click.argument("name")
@click.argument("out", type=WRITTEN)
@click.option("--cells", type=int, help="Coarse cells along a window; by default the emulator's.")
def export(name: str, out: Path, cells: int | None) -> None:
    """Export the emulator NAME as ONNX into OUT (.onnx), compared with torch first."""
    import xai4land
    from xai4land.coupling import export

    found = export(xai4land.load_emulator(name), out, cells=cells)
    click.echo(
        f"wrote {out}; ONNX Runtime and torch differ by {found['difference']:.1e} in probability, "
        f"and in the class of {1 - found['agreement']:.3%} of the pixels"
    )


@emulators.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("registry", type=WRITTEN)
@click.option("--version", required=True, help="As for Python packages, such as 1.0.")
@click.option("--url", default="", help="Where users get FILE; by default beside the registry.")
@click.option("--name", default="", help="Of a new registry; by default that of its folder.")
def publish(file: Path, registry: Path, version: str, url: str, name: str) -> None:
    """Write the emulator in FILE into REGISTRY (.json), which is made if there is none."""
    from xai4land.emulator.publishing import publish

    digits = publish(file, registry, version=version, url=url, name=name)
    click.echo(
        f"wrote {registry}; upload it with the emulators' files, and tell users its address with "
        f"#sha256={digits}"
    )


def _print(table: pd.DataFrame) -> None:
    """Print a table; a problem in it is exit code 1."""
    click.echo(format_table(table))
    if table.problem.any():
        raise SystemExit(1)
