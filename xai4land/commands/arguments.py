"""Types of arguments and options."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xai4land.commands.hints import name_options
from xai4land.commands.places import Place, name_of, read_existing, read_file, read_place
from xai4land.errors import InputError
from xai4land.files import local_path
from xai4land.settings import list_unknown, read_settings

if TYPE_CHECKING:
    from xai4land.emulator.emulator import AnyEmulator

__all__ = [
    "AREAS",
    "CHUNKS",
    "COUNTS",
    "DEVICE",
    "EXISTING",
    "FILE",
    "FILE_OR_NAME",
    "MAPPING",
    "NAMES",
    "OVERWRITE",
    "PAIRS",
    "PATHS",
    "PERIOD",
    "QUIET",
    "STEPS",
    "STORE",
    "TARGET",
    "WRITTEN",
    "ZARR_FORMAT",
    "add_options",
    "describe_run",
    "drop_missing",
    "save_trained",
    "settings_options",
]

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[Any], Any]


class _Text(click.ParamType):  # type: ignore[type-arg]  # older click has no argument
    """A type that is read from text by a function, which raises ValueError."""

    def __init__(self, name: str, read: Callable[[str], Any], expected: str) -> None:
        self.name = name
        self._read, self._expected = read, expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = ",".join(value)  # as a file of settings has it
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except InputError as error:  # which says itself what is expected
            text = name_options(str(error), ctx.command) if ctx else str(error)
            self.fail(text, param, ctx)
        except ValueError:
            self.fail(f"{value!r}, expected {self._expected}", param, ctx)


def _list_of(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: tuple(kind(part.strip()) for part in text.split(","))


def _period(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    years = int(first), int(last or first)
    if years[0] > years[1]:
        raise ValueError(text)
    return years


def _steps(text: str) -> slice | int | tuple[int, ...]:
    if "," in text:
        return _list_of(int)(text)
    first, colon, last = text.partition(":")
    return slice(int(first), int(last)) if colon else int(first)


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    pairs = [part.split(":") for part in text.split(",")]
    return tuple((int(first), int(last)) for first, last in pairs)


def _chunks(text: str) -> int | tuple[int, ...]:
    sizes = _list_of(int)(text)
    if len(sizes) > 2 or min(sizes) < 1:
        raise ValueError(text)
    return sizes if len(sizes) == 2 else int(sizes[0])


def _target(text: str) -> float | tuple[float, ...] | Place:
    try:
        steps = _list_of(float)(text)
    except ValueError:
        return read_existing(text)
    if len(steps) > 2:
        raise ValueError(text)
    return steps if len(steps) == 2 else float(steps[0])


def _file_or_name(text: str) -> Place | str:
    try:
        return read_existing(text)
    except ValueError:
        return text


def _areas(text: str) -> str | float:
    return text if text in ("free", "exact") else float(text)


def _mapping(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


EXISTING = _Text("place", read_existing, "a file or store that exists, or an address")
"""What data are read from: a file or store (or a group in one), or an address."""
STORE = _Text("place", read_place, "a path, or an address")
"""Where a store is written."""
FILE = _Text("path", read_file, "a file that exists on this machine")
"""Any other file that is read."""
WRITTEN = _Text("path", local_path, "a path on this machine")
"""Any other file or folder that is written."""
FILE_OR_NAME = _Text("place", _file_or_name, "a file, an address, or a name")
AREAS = _Text("areas", _areas, "free, exact, or a number")
NAMES = _Text("names", _list_of(str), "names with commas between them")
COUNTS = _Text("counts", _list_of(int), "whole numbers with commas between them")
PATHS = _Text("files", _list_of(read_existing), "files that exist, with commas between them")
STEPS = _Text(
    "years", _steps, "a year, the first and the last one as 2014:1850, or all as 2009,2012"
)
PAIRS = _Text("pairs", _pairs, "pairs of years, as 2009:2012,2012:2009")
PERIOD = _Text("years", _period, "a year or two, as 1981-2010")
CHUNKS = _Text("size", _chunks, "one size, or rows and columns as 512,1024")
TARGET = _Text("grid", _target, "a resolution in degrees, or a file on the wanted grid")
MAPPING = _Text("json", _mapping, 'a JSON object, as {"width": 16}')

OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
DEVICE = click.option("--device", default="auto", show_default=True, help="As torch names it.")
ZARR_FORMAT = click.option(
    "--zarr-format", type=click.IntRange(2, 3), default=3, show_default=True, help="Of a .zarr OUT."
)
QUIET = click.option("--quiet", is_flag=True, help="Show no progress.")


def add_options(*options: Option) -> Callable[[F], F]:
    """Return a decorator that adds options that several commands share."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def settings_options(kind: type) -> list[Option]:
    """Return an option for each single setting, and one for a file of a whole run.

    The file may give any argument and option of the command by its name; what is typed overrides
    it. Settings go to the function as they are, which checks them.

    Parameters
    ----------
    kind : type
        A dataclass of settings whose fields have defaults.
    """
    names = [field.name for field in fields(kind)]

    def read(ctx: click.Context, option: click.Parameter, path: Path | None) -> Any:
        if path is None:
            return None
        given = read_settings(path)
        others = [str(p.name) for p in ctx.command.params if p.name not in (*names, "settings")]
        InputError.raise_if(list_unknown(given, [*others, *names]))
        ctx.default_map = {name: value for name, value in given.items() if name in others}
        return {name: value for name, value in given.items() if name in names} or None

    file = click.option(
        "--settings",
        type=FILE,
        is_eager=True,
        callback=read,
        help="JSON or TOML file of arguments, options and settings.",
    )
    return [file, *(_settings_option(field.name, field.default) for field in fields(kind))]


def _settings_option(name: str, default: Any) -> Option:
    option = f"--{name.replace('_', '-')}"
    if isinstance(default, bool):
        return click.option(option, is_flag=True, default=None)
    if default == "":
        return click.option(option, type=WRITTEN)
    return click.option(option, type=type(default), help=f"By default {default}.")


def save_trained(ctx: click.Context, made: AnyEmulator, out: Path) -> None:
    """Save what was trained, with what the command was given in its card.

    After a dry run nothing is saved; of several processes the first one does it.
    """
    from xai4land.training.distributed import is_first_process

    if ctx.params.get("dry_run") or "dry_run" in made.card.training or not is_first_process():
        return
    record = {**made.card.training, "run": describe_run(ctx)}
    made = type(made)(made.card.with_(training=record), made.weights)
    made.save(out)
    click.echo(repr(made))


def describe_run(ctx: click.Context) -> dict[str, Any]:
    """Return what was given to a command, as a file of settings that repeats the run.

    Files are named without their folders, which say nothing elsewhere; addresses in full.
    """
    default = click.core.ParameterSource.DEFAULT
    given = {n: v for n, v in ctx.params.items() if ctx.get_parameter_source(n) != default}
    run = {**(given.pop("settings", None) or {}), **drop_missing(given)}
    return {n: _as_json(run[n]) for n in sorted(run) if n not in ("quiet", "dry_run")}


def _as_json(value: Any) -> Any:
    if isinstance(value, Place):
        return name_of(value)
    return [_as_json(one) for one in value] if isinstance(value, tuple) else value


def drop_missing(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, so that others keep the function's defaults."""
    return {name: value for name, value in options.items() if value is not None}
