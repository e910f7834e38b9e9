"""The command line with the commands of all plugins, for the page that lists it."""

from __future__ import annotations

import click

from xai4land.cli import cli as root

__all__ = ["cli"]

_CONTEXT = click.Context(root)
cli = click.Group(
    root.name,
    commands={
        name: command
        for name in root.list_commands(_CONTEXT)
        if (command := root.get_command(_CONTEXT, name)) is not None
    },
    help=root.help,
)
