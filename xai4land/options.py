"""Options: the cache folder, how downloads are made, and registries of other publishers."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict, Unpack

from xai4land.errors import InputError

__all__ = ["get_options", "set_options"]

_SET: dict[str, Any] = {}  # by set_options; others come from the environment


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xai4land"


@dataclass(frozen=True)
class Options:
    """Values of all options; see :class:`set_options`."""

    cache: Path = field(default_factory=_user_cache)
    offline: bool = False
    timeout: float = 30.0
    retries: int = 3
    registries: tuple[str, ...] = ()


class _Arguments(TypedDict, total=False):
    cache: str | os.PathLike[str]
    offline: bool
    timeout: float
    retries: int
    registries: Iterable[str | os.PathLike[str]]


class set_options:  # noqa: N801 - lower case, as in xarray
    """Set options for the session, or in a ``with`` block.

    Options that are not set come from the environment: ``XAI4LAND_`` and the name in capitals.

    Parameters
    ----------
    cache : path-like
        Folder for downloads and other files that can be made again. By default ``xai4land`` in
        the user's cache folder.
    offline : bool
        Whether to download nothing: a missing file is an error that says how to get it.
    timeout : float
        Seconds to wait for a server that sends nothing; 30 by default.
    retries : int
        How often a failed download is tried again; 3 by default.
    registries : iterable of path-like
        Registry files of other publishers' emulators: paths, or ``https://…#sha256=…``. In the
        environment they are separated by commas.

    Raises
    ------
    InputError
        Listing all unknown names and invalid values.

    Examples
    --------
    >>> import xai4land
    >>> with xai4land.set_options(offline=True, timeout=5):
    ...     pass
    >>> xai4land.set_options(ofline=True)
    Traceback (most recent call last):
    ...
    xai4land.errors.InputError: no option 'ofline' (is it 'offline'?); there are cache, offline, \
timeout, retries, registries
    """

    def __init__(self, **options: Unpack[_Arguments]) -> None:
        checked = _check_options(options)
        self._before = {name: _SET[name] for name in checked if name in _SET}
        self._names = tuple(checked)
        _SET.update(checked)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in self._names:
            _SET.pop(name, None)
        _SET.update(self._before)


def get_options() -> Options:
    """Return the options that are set, by :class:`set_options` or in the environment.

    Raises
    ------
    InputError
        Listing all environment variables with invalid values.
    """
    values: dict[str, Any] = {}
    problems = []
    for name, parse in _PARSERS.items():
        variable = f"XAI4LAND_{name.upper()}"
        text = os.environ.get(variable)
        if text and name not in _SET:
            try:
                values[name] = parse(text)
            except ValueError as error:
                problems.append(f"the environment variable {variable} is {text!r}; {error}")
    InputError.raise_if(problems)
    return Options(**{**values, **_SET})


def _check_options(options: _Arguments) -> dict[str, Any]:
    """Return valid options, or raise an error that lists all problems."""
    checked, problems = {}, []
    for name, value in options.items():
        if name not in _PARSERS:
            near = get_close_matches(name, _PARSERS, n=1)
            hint = f" (is it {near[0]!r}?)" if near else ""
            problems.append(f"no option {name!r}{hint}; there are {', '.join(_PARSERS)}")
            continue
        try:
            checked[name] = _PARSERS[name](value)
        except ValueError as error:
            problems.append(f"the option {name!r} is {value!r}; {error}")
    InputError.raise_if(problems)
    return checked


def _parse_folder(value: object) -> Path:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError("expected the path of a folder")
    return Path(value).expanduser().absolute()


def _parse_bool(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    result = words.get(str(value).lower())
    if result is None:
        raise ValueError("expected true or false")
    return result


def _parse_seconds(value: object) -> float:
    expected = "expected a positive number of seconds"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(expected)
    try:
        seconds = float(value)
    except ValueError:
        raise ValueError(expected) from None
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(expected)
    return seconds


def _parse_count(value: object) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not (is_count or (isinstance(value, str) and value.isascii() and value.isdigit())):
        raise ValueError("expected a whole number, 0 or more")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _parse_addresses(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Iterable):
        raise ValueError("expected paths or addresses")
    addresses = tuple(parts)
    if not all(isinstance(address, str | os.PathLike) for address in addresses):
        raise ValueError("expected paths or addresses")
    return tuple(text for address in addresses if (text := os.fspath(address).strip()))


_PARSERS: dict[str, Callable[[object], Any]] = {
    "cache": _parse_folder,
    "offline": _parse_bool,
    "timeout": _parse_seconds,
    "retries": _parse_count,
    "registries": _parse_addresses,
}
