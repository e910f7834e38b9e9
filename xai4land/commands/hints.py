"""Hints of the functions' errors, which name parameters, as options of a command."""

from __future__ import annotations

import re

import click

__all__ = ["name_options"]

OPTIONS_OF_STORES = re.compile(
    r",? (?:or|and) (?:as )?storage_options(?:=\{[^}]*\})?(?:; \{[^}]*\} for a public bucket)?"
)
"""Of functions alone: what is typed would be seen by all who list the processes of a machine."""
VALUE = r"(?P<value>\([^()]*\)|\[[^\[\]]*\]|'[^']*'|[\w./-]*)"


def name_options(message: str, command: click.Command) -> str:
    """Return a message that names options where it named a function's parameters.

    How to reach an object store is given by the environment alone.

    Examples
    --------
    >>> import click
    >>> options = [click.Option(["--overwrite"], is_flag=True), click.Option(["--years"])]
    >>> command = click.Command("write", params=options)
    >>> name_options("it exists; overwrite=True replaces it; or years=(1981, 2000)", command)
    'it exists; --overwrite replaces it; or --years 1981-2000'
    >>> name_options("set AWS_REGION, or storage_options={'region': ...}", command)
    'set AWS_REGION'
    """
    options = {p.name: p for p in command.params if isinstance(p, click.Option)}

    def rename(match: re.Match[str]) -> str:
        option = options.get(match["name"])
        return match[0] if option is None else _write_option(option, match["value"])

    message = OPTIONS_OF_STORES.sub("", message)
    return re.sub(rf"\b(?P<name>[a-z_]+)={VALUE}", rename, message)


def _write_option(option: click.Option, value: str) -> str:
    """Return an option with its value, as it is typed."""
    if value == "False" and option.secondary_opts:
        return option.secondary_opts[0]
    name = option.opts[0]
    if option.is_flag or not value:
        return name
    if years := re.fullmatch(r"\((\d+|first year), (\d+|last year)\)", value):
        first, last = (year.replace(" year", "").upper() for year in years.groups())
        return f"{name} {first}-{last}"
    return f"{name} {value}"
