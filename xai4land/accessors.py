"""Accessors whose methods are functions, with the data bound as the first argument.

A method is derived from its function: one signature and one docstring serve both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

import xarray as xr

import xai4land
from xai4land.errors import InputError

__all__ = ["Accessor", "Method"]

P = ParamSpec("P")
R = TypeVar("R")


class Method(Generic[P, R]):
    """A function of a dataset as an accessor's method.

    Parameters
    ----------
    get : callable
        Returns the function; called when the method is looked up, so that the function may be
        imported late.
    arrays : {"refuse", "convert", "pass"}
        What happens with a DataArray: it has no such method, becomes a dataset of one variable,
        or is passed to the function as it is.

    Examples
    --------
    >>> import xarray as xr
    >>> def scale(data: xr.Dataset, factor: float = 2.0) -> xr.Dataset:
    ...     "Multiply all variables."
    ...     return data * factor
    >>> class Example(Accessor):
    ...     scale = Method(lambda: scale, arrays="convert")
    >>> method = Example(xr.Dataset({"tas": 1.5})).scale
    >>> method.__doc__, str(inspect.signature(method))
    ('Multiply all variables.', "(factor: 'float' = 2.0) -> 'xr.Dataset'")
    >>> float(method(4).tas)
    6.0
    """

    def __init__(
        self,
        get: Callable[[], Callable[Concatenate[xr.Dataset, P], R]],
        *,
        arrays: Literal["refuse", "convert", "pass"] = "refuse",
    ) -> None:
        self._get = get
        self.arrays = arrays

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, accessor: None, owner: Any) -> Callable[Concatenate[xr.Dataset, P], R]: ...

    @overload
    def __get__(self, accessor: Accessor, owner: Any) -> Callable[P, R]: ...

    def __get__(self, accessor: Accessor | None, owner: Any = None) -> Callable[..., R]:
        function = self._get()
        return function if accessor is None else MethodType(function, self._bind(accessor._data))

    def _bind(self, data: xr.Dataset | xr.DataArray) -> xr.Dataset | xr.DataArray:
        if isinstance(data, xr.Dataset) or self.arrays == "pass":
            return data
        if self.arrays == "refuse":
            raise AttributeError(
                f"{self._name} takes a Dataset, this is a DataArray; "
                "array.to_dataset(name=...) makes one of it"
            )
        if data.name is None:
            raise InputError(
                f"the array has no name, expected one for {self._name}; array.rename('...')"
            )
        return data.to_dataset()


class Accessor:
    """Base of accessors on Dataset and DataArray.

    Methods that take one variable are there on a DataArray, too.

    Parameters
    ----------
    data : Dataset or DataArray
    """

    _accepts_arrays: ClassVar[bool] = True  # registered on DataArrays, too

    def __init__(self, data: xr.Dataset | xr.DataArray) -> None:
        self._data = data

    def __dir__(self) -> list[str]:
        names = super().__dir__()
        if isinstance(self._data, xr.Dataset):
            return sorted(names)
        found = {name: inspect.getattr_static(type(self), name, None) for name in names}
        return sorted(
            name
            for name, value in found.items()
            if not (isinstance(value, Method) and value.arrays == "refuse")
        )

    explain = Method(lambda: xai4land.explain, arrays="convert")
    regrid = Method(lambda: xai4land.regrid, arrays="pass")
    write = Method(lambda: xai4land.write, arrays="convert")
