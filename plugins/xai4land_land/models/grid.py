"""One map of classes of a model: what both files need of it."""

from __future__ import annotations

import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land_land.crosswalks.classes import class_names
from xai4land_land.crosswalks.converting import to_legend
from xai4land_land.crosswalks.covers import Cover, find_cover

__all__ = ["form_plant_types", "list_outside", "list_unlike_sums", "select_step"]


def form_plant_types(
    data: xr.Dataset, climate: xr.Dataset | None, koppen: xr.Dataset | xr.DataArray | None
) -> Cover:
    """Return fractions in the legend ``clm5``; those of the data if they are in it.

    Raises
    ------
    InputError
        As :func:`to_legend` does; or if the data hold a map alone.
    """
    cover = find_cover(data)
    if cover is None:
        raise InputError(
            "the data have no fractions or probabilities of classes; make them: "
            "ds.ai4land.fractions(0.5)"
        )
    if cover.names != class_names("clm5"):
        cover = find_cover(to_legend(data, "clm5", climate=climate, koppen=koppen))
        assert cover is not None
    return cover


def select_step(cover: Cover) -> Cover:
    """Return the cover without its time axis of one step.

    Raises
    ------
    InputError
        If it has several.
    """
    name = time_name(cover.fractions)
    if name is None:
        return cover
    if (steps := cover.fractions.sizes[name]) > 1:
        raise InputError(
            f"there are {steps} steps of {name!r}, and one surface; select one: .isel({name}=[0])"
        )
    return Cover(cover.fractions.isel({name: 0}, drop=True), cover.dim, cover.names)


def list_unlike_sums(
    total: xr.DataArray, expected: float, tolerance: float, what: str
) -> list[str]:
    """Say where a sum is not what it must be; an empty list if it is everywhere."""
    wrong = ~(abs(total - expected) <= tolerance)
    if not bool(wrong.any()):
        return []
    low, high = float(total.where(wrong).min()), float(total.where(wrong).max())
    return [
        f"{what} sum to {low:.12g} to {high:.12g} in {int(wrong.sum())} cells, expected "
        f"{expected:g}; divide by the sum"
    ]


def list_outside(array: xr.DataArray, low: float, high: float) -> list[str]:
    """Say if values are missing or out of a range; an empty list if none is."""
    outside = ~((array >= low) & (array <= high))
    if not bool(outside.any()):
        return []
    return [
        f"{array.name} is missing or out of {low:g} to {high:g} in {int(outside.sum())} places "
        f"({float(array.min()):g} to {float(array.max()):g}); correct or fill it"
    ]
