"""The command line: what the engine offers, and what plugins add.

Exit codes: 0 done; 1 the input or a file is at fault (one message on standard error); 2 the
command was typed wrongly; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from xai4land import __version__, discovery
from xai4land.commands.arguments import WRITTEN
from xai4land.commands.emulator import emulators
from xai4land.commands.groups import Group
from xai4land.commands.hints import name_options
from xai4land.commands.messages import show_logs, show_warnings
from xai4land.commands.prefetching import prefetch
from xai4land.commands.regrid import regrid
from xai4land.commands.tables import format_table
from xai4land.errors import PluginError, Xai4landError

__all__ = ["main"]


class _Commands(Group):
    """The engine's commands, and those of the plugins, which are loaded when asked for."""

    def _load_added(self) -> dict[str, click.Command]:
        found: dict[str, click.Command] = {}
        owners: dict[str, str] = {}
        for plugin in discovery.names("commands"):
            try:
                offered: Sequence[click.Command] = discovery.load("commands", plugin)
            except PluginError as error:
                click.echo(f"warning: {error}", err=True)
                continue
            for command in offered:
                name = str(command.name)
                if owners.setdefault(name, plugin) != plugin:
                    click.echo(
                        f"warning: the command {name!r} is claimed by {owners[name]} and {plugin}; "
                        f"that of {owners[name]} is kept",
                        err=True,
                    )
                    continue
                found[name] = command
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._load_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self._load_added().get(cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xai4land")
@click.option("-v", "--verbose", count=True, help="Log what is done; twice: every detail.")
@click.pass_context
def cli(context: click.Context, verbose: int) -> None:
    """Turn coarse climate and land data into useful fields with trained emulators."""
    context.with_resource(show_logs(verbose))


cli.add_command(emulators)
cli.add_command(prefetch)
cli.add_command(regrid)


@cli.command()
def plugins() -> None:
    """List the plugins, with the reason for each that is broken."""
    import xai4land

    table = xai4land.plugins()
    click.echo(format_table(table))
    if table.problem.any():
        raise SystemExit(1)


@cli.command()
@click.option("--out", type=WRITTEN, default=Path("demo"), show_default=True)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def demo(out: Path, quiet: bool) -> None:
    """Run what each plugin shows of itself, offline: scores, and files in OUT."""
    out.mkdir(parents=True, exist_ok=True)
    for plugin in discovery.names("demos"):
        discovery.load("demos", plugin)(out, not quiet)


@cli.command()
def versions() -> None:
    """Print the versions that a bug report needs."""
    import xai4land

    xai4land.show_versions()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error that is the input's is one message, not a traceback."""
    try:
        with show_warnings():
            cli.main(arguments, standalone_mode=False)
    except click.exceptions.Abort as abort:
        click.echo("\n".join(["interrupted", *_get_notes(abort.__cause__)]), err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (Xai4landError, OSError) as error:
        message = "\n".join([f"error: {error}", *_get_notes(error)])
        click.echo(_name_options(message, arguments), err=True)
        sys.exit(1)


def _name_options(message: str, arguments: Sequence[str] | None) -> str:
    """Return an error's message with the options of the command that was called."""
    given = sys.argv[1:] if arguments is None else arguments
    name = next((word for word in given if not word.startswith("-")), "")
    command = cli.get_command(click.Context(cli), name)
    return message if command is None else name_options(message, command)


def _get_notes(error: BaseException | None) -> list[str]:
    return list(getattr(error, "__notes__", []))


if __name__ == "__main__":
    main()
