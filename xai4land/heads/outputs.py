"""The variables that come out of an emulator, and the CF dataset that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import EmulatorError

if TYPE_CHECKING:
    import torch

__all__ = ["CONFIDENCE_STEPS", "Dimension", "Output", "check_finite", "to_dataset", "unpack"]

CONFIDENCE_STEPS = 100
"""Probabilities of the chosen class are kept as whole numbers of this part of one."""


@dataclass(frozen=True)
class Dimension:
    """A dimension of an output beside time and space, such as classes or members.

    Attributes
    ----------
    name : str
    values : tuple
        Its coordinate.
    attrs : mapping
    """

    name: str
    values: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """One variable that comes out of an emulator.

    Attributes
    ----------
    name : str
    dtype : str
        Type that users see.
    attrs : mapping
        CF attributes.
    fill : number
        What files hold where the value is missing.
    leading : tuple of Dimension
        Dimensions between time and space.
    steps : int, optional
        Floats between 0 and ``254 / steps`` that blocks keep as whole numbers of ``1 / steps`` in
        one byte; missing ones as 255.
    encoding : mapping
        How files store it, beside the fill value.
    """

    name: str
    dtype: str
    attrs: Mapping[str, Any]
    fill: Any
    leading: tuple[Dimension, ...] = ()
    steps: int | None = None
    encoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def block_dtype(self) -> np.dtype[Any]:
        """Return the type that a block keeps it in."""
        return np.dtype("uint8" if self.steps else self.dtype)

    @property
    def missing(self) -> float:
        """Return what stands for a missing value in a block."""
        return np.nan if self.block_dtype.kind == "f" else 255

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the sizes of the leading dimensions."""
        return tuple(len(dimension.values) for dimension in self.leading)


def check_finite(values: torch.Tensor) -> None:
    """Refuse a network's answer that is not finite.

    Raises
    ------
    EmulatorError
    """
    if not bool(values.sum().isfinite()):
        raise EmulatorError(
            "the network answered with numbers that are not finite; precision='float32' may help, "
            "or the emulator's weights are faulty"
        )


def unpack(values: npt.NDArray[Any], steps: int | None, dtype: str) -> npt.NDArray[Any]:
    """Return the values of a block as users see them; see :class:`Output`.

    Examples
    --------
    >>> unpack(np.array([50, 255], np.uint8), 100, "float32")
    array([0.5, nan], dtype=float32)
    """
    if not steps:
        return values
    table = np.arange(256, dtype=dtype) / steps
    table[255] = np.nan
    return np.take(table, values)


def to_dataset(
    outputs: Sequence[Output],
    arrays: Mapping[str, Any],
    dims: Sequence[str],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Return the dataset of some outputs, with their attributes and encodings.

    Parameters
    ----------
    outputs : sequence of Output
    arrays : mapping from str to array
        Of each output by name, shape (time, leading dimensions, rows, columns).
    dims : sequence of str
        Dimensions beside the leading ones, which come before the last two: time is first.
    coords, attrs : mapping
        Of the dataset; coordinates of leading dimensions are added. A coordinate with a
        ``grid_mapping_name`` is the grid mapping of all outputs.

    Examples
    --------
    >>> height = Output("height", "float32", {"units": "m"}, np.float32(np.nan))
    >>> made = to_dataset([height], {"height": np.ones(2, "f4")}, ["x"], {"x": [0, 1]}, {})
    >>> made.height.attrs, made.height.encoding
    ({'units': 'm'}, {'_FillValue': np.float32(nan)})
    """
    variables: dict[str, xr.DataArray] = {}
    coords = dict(coords)
    mappings = [n for n, c in coords.items() if "grid_mapping_name" in getattr(c, "attrs", {})]
    for output in outputs:
        for dimension in output.leading:
            coords[dimension.name] = xr.DataArray(
                np.array(dimension.values), dims=dimension.name, attrs=dict(dimension.attrs)
            )
        names = [*dims[:-2], *(dimension.name for dimension in output.leading), *dims[-2:]]
        variable = xr.DataArray(arrays[output.name], dims=names, attrs=dict(output.attrs))
        for mapping in mappings:
            variable.attrs["grid_mapping"] = mapping
        variable.encoding |= {"_FillValue": output.fill, **output.encoding}
        variables[output.name] = variable
    return xr.Dataset(variables, coords, attrs)
