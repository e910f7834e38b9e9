"""Public names of a package that are imported at first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["import_lazily"]


def import_lazily(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its ``__name__``. Its ``__all__`` lists what ``dir()`` shows.
    modules : mapping from str to str
        For each name the module that has it, absolute or relative to the package.

    Examples
    --------
    >>> get, show = import_lazily("xai4land.store", {"InputError": "xai4land.errors"})
    >>> get("InputError")
    <class 'xai4land.errors.InputError'>
    >>> show()
    ['open_store', 'write']
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name], package), name)

    def show() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, show
