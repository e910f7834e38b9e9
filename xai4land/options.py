"""What users may set: where downloads are kept, how they are made, whose emulators are known."""

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

_SET: dict[str, Any] = {}  # by set_options; what is not here comes from the environment


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xai4land"


@dataclass(frozen=True)
class Options:
    """All options at one moment; see :class:`set_options`."""

    cache: Path = field(default_factory=_user_cache)
    offline: bool = False
    timeout: float = 30.0
    retries: int = 3
    registries: tuple[str, ...] = ()


class _Given(TypedDict, total=False):
    cache: str | os.PathLike[str]
    offline: bool
    timeout: float
    retries: int
    registries: Iterable[str | os.PathLike[str]]


class set_options:  # noqa: N801 - lower case, as in xarray
    """Set options for the session, or in a ``with`` block.

    What is not set here comes from the environment: ``XAI4LAND_`` and the name in capitals.

    Parameters
    ----------
    cache : path-like
        Folder for downloads and other files that can be made again. By default ``xai4land`` in
        the user's cache folder.
    offline : bool
        Whether nothing may be downloaded: what is not here is an error that says how to get it.
    timeout : float
        Seconds after which a server that sends nothing is given up; 30 by default.
    retries : int
        How often a failed download is tried again; 3 by default.
    registries : iterable of path-like
        Registry files of other publishers' emulators: paths, or ``https://…#sha256=…``. In the
        environment they are separated by commas.

    Raises
    ------
    InputError
        Listing every unknown name and every value that cannot be.

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

    def __init__(self, **options: Unpack[_Given]) -> None:
        checked = _checked(options)
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
    """The options as they are now.

    Raises
    ------
    InputError
        Listing every environment variable whose value cannot be.
    """
    found: dict[str, Any] = {}
    problems = []
    for name, read in _READ.items():
        variable = f"XAI4LAND_{name.upper()}"
        text = os.environ.get(variable)
        if text and name not in _SET:
            try:
                found[name] = read(text)
            except ValueError as error:
                problems.append(f"the environment variable {variable} is {text!r}; {error}")
    InputError.raise_if(problems)
    return Options(**{**found, **_SET})


def _checked(options: _Given) -> dict[str, Any]:
    checked, problems = {}, []
    for name, value in options.items():
        if name not in _READ:
            near = get_close_matches(name, _READ, n=1)
            hint = f" (is it {near[0]!r}?)" if near else ""
            problems.append(f"no option {name!r}{hint}; there are {', '.join(_READ)}")
            continue
        try:
            checked[name] = _READ[name](value)
        except ValueError as error:
            problems.append(f"the option {name!r} is {value!r}; {error}")
    InputError.raise_if(problems)
    return checked


def _folder(value: object) -> Path:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError("expected the path of a folder")
    return Path(value).expanduser().absolute()


def _flag(value: object) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    found = known.get(str(value).lower())
    if found is None:
        raise ValueError("expected true or false")
    return found


def _seconds(value: object) -> float:
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


def _count(value: object) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not (whole or (isinstance(value, str) and value.isascii() and value.isdigit())):
        raise ValueError("expected a whole number, 0 or more")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _places(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Iterable):
        raise ValueError("expected paths or addresses")
    places = tuple(parts)
    if not all(isinstance(place, str | os.PathLike) for place in places):
        raise ValueError("expected paths or addresses")
    return tuple(text for place in places if (text := os.fspath(place).strip()))


_READ: dict[str, Callable[[object], Any]] = {
    "cache": _folder,
    "offline": _flag,
    "timeout": _seconds,
    "retries": _count,
    "registries": _places,
}
