"""Plugins, found through entry points.

Eight groups are read: ``xai4land.accessors`` (name of the accessor -> class),
``xai4land.architectures`` (name -> callable that builds a network),
``xai4land.kinds`` (name -> class of emulators with another kind of card),
``xai4land.step_inputs`` (kind of outputs -> class that forms the inputs of a model's step),
``xai4land.emulators`` (any name -> mapping from emulator names to files),
``xai4land.catalogs`` (name -> path of a catalog's JSON, or a callable that returns it),
``xai4land.commands`` (any name -> list of click commands) and ``xai4land.demos`` (any name ->
callable of a folder, and whether to show progress). A plugin that fails to load is kept
with its reason; it never breaks ``import xai4land``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from xai4land.errors import InputError, PluginError

__all__ = ["emulator_files", "load", "names", "plugins", "register_accessors"]

logger = logging.getLogger(__name__)

GROUPS = (
    "accessors",
    "architectures",
    "kinds",
    "step_inputs",
    "emulators",
    "catalogs",
    "commands",
    "demos",
)


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it offers, from where, and why it is broken if it is."""

    kind: str
    name: str
    target: str
    distribution: str
    problem: str = ""


def _entries(kind: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=f"xai4land.{kind}"):
        same = found.setdefault(entry.name, [])
        # An editable install can list its own metadata twice.
        if all((e.value, _distribution(e)) != (entry.value, _distribution(entry)) for e in same):
            same.append(entry)
    return found


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"


def names(kind: str) -> list[str]:
    """Return the names that plugins offer in one group, loaded or not."""
    return sorted(_entries(kind))


def load(kind: str, name: str) -> Any:
    """Load what the plugin called ``name`` offers.

    Raises
    ------
    PluginError
        If no plugin has that name, several do, or its import fails.
    """
    entries = _entries(kind).get(name, [])
    if not entries:
        known = ", ".join(names(kind)) or "none"
        raise PluginError(
            f"no plugin offers {name!r} among the {kind} (there are: {known}); "
            "install the package that has it"
        )
    if len(entries) > 1:
        claims = " and ".join(f"{_distribution(e)} ({e.value})" for e in entries)
        raise PluginError(
            f"the name {name!r} among the {kind} is claimed by {claims}; uninstall one of them"
        )
    try:
        return entries[0].load()
    except Exception as error:
        raise PluginError(
            f"the plugin {name!r} of {_distribution(entries[0])} ({entries[0].value}) "
            f"failed to load: {type(error).__name__}: {error}"
        ) from error


def register_accessors() -> None:
    """Register the accessors' names with xarray; their code is imported at first use."""
    for name in _entries("accessors"):
        if not hasattr(xr.Dataset, name):
            xr.register_dataset_accessor(name)(_import_late(name))
        if not hasattr(xr.DataArray, name):
            xr.register_dataarray_accessor(name)(_import_late(name))


def _import_late(name: str) -> Callable[[xr.Dataset | xr.DataArray], Any]:
    def accessor(data: xr.Dataset | xr.DataArray) -> Any:
        found = load("accessors", name)
        if isinstance(data, xr.DataArray) and not getattr(found, "_accepts_arrays", False):
            raise InputError(
                f"the accessor {name!r} takes a Dataset, this is a DataArray; "
                f"array.to_dataset(name=...).{name} has it"
            )
        return found(data)

    return accessor


def _list_plugins() -> Iterator[Plugin]:
    for kind in GROUPS:
        for name, entries in sorted(_entries(kind).items()):
            try:
                load(kind, name)
                problem = ""
            except PluginError as error:
                problem = str(error)
            for entry in entries:
                yield Plugin(kind, name, entry.value, _distribution(entry), problem)


def plugins() -> pd.DataFrame:
    """List the plugins that are installed, with the reason for each that is broken.

    Returns
    -------
    DataFrame
        One row a plugin: ``kind``, ``name``, ``target``, ``distribution``, ``problem``.

    Examples
    --------
    >>> import xai4land
    >>> xai4land.plugins().query("kind == 'accessors'").name.tolist()
    ['ai4land', 'seasonal']
    """
    return pd.DataFrame(_list_plugins(), columns=[field.name for field in fields(Plugin)])


def emulator_files() -> tuple[dict[str, Path], dict[str, str]]:
    """Return bundled emulators by name, and plugins whose list failed, with reasons."""
    files: dict[str, Path] = {}
    broken: dict[str, str] = {}
    for plugin in names("emulators"):
        try:
            offered: Mapping[str, str | Path] = load("emulators", plugin)
            for name, path in offered.items():
                if name in files:
                    broken[name] = f"two plugins bundle an emulator {name!r}: {files[name]}, {path}"
                files[name] = Path(path)
        except PluginError as error:
            logger.info("%s", error)
            broken[plugin] = str(error)
    return files, broken
