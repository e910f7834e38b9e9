"""Settings of a verb: a small class, a dictionary or a file, and single ones as keywords."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from xai4land.errors import InputError

__all__ = ["list_unknown", "read_settings", "resolve_settings"]

T = TypeVar("T")
INT, TIMESTAMP = "tag:yaml.org,2002:int", "tag:yaml.org,2002:timestamp"


def resolve_settings(
    kind: type[T],
    settings: T | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    parameters: Iterable[str] = (),
) -> T:
    """Return settings of a kind, whichever way they were given, with their values checked.

    Parameters
    ----------
    kind : type
        A frozen dataclass whose fields all have a default. Types and bounds are those of its
        annotations, as ``Annotated[int, pydantic.Field(gt=0)]``.
    settings : kind, mapping, path-like or None
        An instance, a dictionary, or the path of a JSON, TOML or YAML file; None for the defaults.
    changes : mapping, optional
        Single settings by name; they override those of ``settings``.
    parameters : iterable of str
        Other keywords of the function that takes ``changes``, to suggest when one is misspelt.

    Raises
    ------
    InputError
        Listing unknown names, each with the closest one, and values out of range; or saying
        what is wrong with the file.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Settings:
    ...     epochs: int = 20
    ...     seed: int = 0
    >>> resolve_settings(Settings, {"epochs": 5}, {"seed": 1})
    Settings(epochs=5, seed=1)
    >>> resolve_settings(Settings, changes={"epoch": 5})
    Traceback (most recent call last):
    ...
    xai4land.errors.InputError: no setting 'epoch' (is it 'epochs'?); there are epochs, seed
    """
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    given = _as_dict(kind, settings) | dict(changes or {})
    problems = list_unknown(given, known, parameters)
    values = {name: value for name, value in given.items() if name in known}
    try:
        found: T = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        problems += [
            f"{'.'.join(map(str, e['loc']))}={e['input']!r}, "
            f"{e['msg'].replace('Input should be', 'expected', 1)}"
            for e in error.errors()
        ]
    InputError.raise_if(problems)
    return found


def _as_dict(
    kind: type[T], settings: T | Mapping[str, Any] | str | os.PathLike[str] | None
) -> dict[str, Any]:
    if settings is None:
        return {}
    if isinstance(settings, kind) and is_dataclass(settings):
        return asdict(settings)  # type: ignore[arg-type]
    if isinstance(settings, Mapping):
        return {str(name): value for name, value in settings.items()}
    if isinstance(settings, str | os.PathLike):
        return read_settings(Path(settings))
    raise InputError(
        f"settings={settings!r}, expected {kind.__name__}(...), a dictionary, or the path of a "
        "JSON, TOML or YAML file"
    )


def read_settings(path: Path) -> dict[str, Any]:
    """Return the names and values that a JSON, TOML or YAML file holds.

    Raises
    ------
    InputError
    """
    import yaml

    readers: dict[str, Callable[[str], Any]] = {
        ".json": json.loads,
        ".toml": tomllib.loads,
        ".yaml": _load_yaml,
        ".yml": _load_yaml,
    }
    if path.suffix not in readers:
        raise InputError(
            f"settings={str(path)!r}, expected a file that ends in .json, .toml or .yaml"
        )
    try:
        values = readers[path.suffix](path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"settings={str(path)!r} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"settings={str(path)!r} holds {type(values).__name__}, expected names and values"
        )
    return values


def _load_yaml(text: str) -> Any:
    """Return what YAML says, where whole numbers are decimal (0750 is text) and dates are text."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, regex) for tag, regex in resolvers if tag not in (INT, TIMESTAMP)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(INT, re.compile(r"[-+]?(0|[1-9][0-9]*)$"), [*"-+0123456789"])
    return yaml.load(text, Loader)


def list_unknown(
    given: Iterable[str], known: Sequence[str], parameters: Iterable[str] = ()
) -> list[str]:
    """Return a sentence for each name that is not known, with the closest one that is.

    Examples
    --------
    >>> list_unknown(["epoch"], ["epochs", "seed"])
    ["no setting 'epoch' (is it 'epochs'?); there are epochs, seed"]
    """
    others = list(parameters)
    return [_unknown(name, known, others) for name in given if name not in known]


def _unknown(name: str, known: Sequence[str], parameters: Iterable[str]) -> str:
    close = get_close_matches(name, [*known, *parameters], 1)
    hint = f" (is it {close[0]!r}?)" if close else ""
    return f"no setting {name!r}{hint}; there are {', '.join(known)}"
