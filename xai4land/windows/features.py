"""Features: what the network sees in a window, made from the coarse data on the device.

Training and inference both take their features from here, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from xai4land.emulator.card import ELEVATION, Input, MapCard
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.fields import Field, Stack

__all__ = ["Features", "GuessChannels", "Pixels", "make_features", "missing_pixels"]


class Pixels(NamedTuple):
    """A box of pixels of the target grid: latitudes, longitudes, and degrees between them."""

    lat: Floats
    lon: Floats
    spacings: tuple[float, float]

    @classmethod
    def of(cls, target: Grid, rows: Ints, columns: Ints) -> Pixels:
        """Return the pixels at lattice rows and columns; they may lie beyond the target itself."""
        return cls(target.lattice_lat(rows), target.lattice_lon(columns), target.spacings)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.lat.size, self.lon.size


class GuessChannels(Protocol):
    """What features take from a head's first guess."""

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return the first guess, shape (layers, rows, columns)."""
        ...

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write what the network sees of it, shape (guess channels, rows, columns), in place."""
        ...


class Features(NamedTuple):
    """What the network sees of one window, or, stacked, of a batch of them.

    Attributes
    ----------
    continuous : Tensor, shape (channels, size, size)
    codes : Tensor of int64, shape (categorical inputs, size, size)
    guess : Tensor, shape (layers, size, size)
        The first guess, which the network corrects.
    """

    continuous: torch.Tensor
    codes: torch.Tensor
    guess: torch.Tensor

    @staticmethod
    def batch(items: Sequence[Features]) -> Features:
        """Return several windows as one."""
        return Features(*(torch.stack(parts) for parts in zip(*items, strict=True)))


def make_features(
    card: MapCard,
    stacks: Sequence[Stack],
    guess: GuessChannels,
    pixels: Pixels,
    dtype: torch.dtype = torch.float32,
) -> Features:
    """Make the features of a box of pixels; continuous ones are rounded to ``dtype`` at the end.

    Beyond the data the values of its edge are repeated.
    """
    guess_start = card.channels - card.outputs.guess_channels
    guess_values = guess.values(pixels)
    device = guess_values.device
    continuous = torch.empty((card.channels, *pixels.shape), dtype=dtype, device=device)
    height = _interpolate_elevation(card, stacks, pixels)
    codes: dict[str, torch.Tensor] = {}
    for stack in stacks:
        if stack.coded:
            nearest = stack.select_nearest(pixels.lat, pixels.lon).long()
            codes |= {spec.name: nearest[k] for k, spec in enumerate(stack.specs)}
            continue
        values, weight = stack.interpolate(*pixels)
        for k, spec in enumerate(stack.specs):
            channel = card.slots[spec.name]
            share = None if weight is None else weight[k]
            _write_scaled(continuous[channel], spec, values[k], share, height)
            if spec.fill is not None:
                continuous[channel + 1] = 1.0 if share is None else share
    guess.fill_channels(continuous[guess_start:], guess_values, pixels)
    chosen = [codes[spec.name] for spec in card.coded]
    no_codes = torch.zeros((0, *pixels.shape), dtype=torch.long, device=device)
    return Features(continuous, torch.stack(chosen) if chosen else no_codes, guess_values)


def _write_scaled(
    channel: torch.Tensor,
    spec: Input,
    values: torch.Tensor,
    weight: torch.Tensor | None,
    height: torch.Tensor | None,
) -> None:
    """Write an input on pixels, (rows, columns), as the network sees it."""
    in_place = channel if channel.dtype == values.dtype else None
    scaled = torch.sub(values, spec.offset, out=in_place)
    if height is not None and spec.elevation_slope:
        scaled.add_(height, alpha=spec.elevation_slope)
    scaled.div_(spec.scale)
    if weight is not None and spec.fill is not None:
        filled = (spec.fill - spec.offset) / spec.scale
        scaled.mul_(weight).add_((1 - weight) * filled)
    if in_place is None:
        channel.copy_(scaled)


def _interpolate_elevation(
    card: MapCard, stacks: Sequence[Stack], pixels: Pixels
) -> torch.Tensor | None:
    """Return the elevation of the pixels, (rows, columns); None if no input depends on it."""
    if not any(spec.elevation_slope for spec in card.inputs):
        return None
    [stack] = [part for one in stacks if (part := one.select_inputs([ELEVATION]))]
    values, weight = stack.interpolate(*pixels)
    fill = stack.specs[0].fill or 0.0
    return values[0] if weight is None else values[0] * weight[0] + (1 - weight[0]) * fill


def missing_pixels(grids: Sequence[Grid], stacks: Sequence[Stack], pixels: Pixels) -> torch.Tensor:
    """Find pixels beyond a grid, or where an input that cannot be filled is missing.

    Parameters
    ----------
    grids : sequence of Grid
        Those of all inputs.
    stacks : sequence of Stack
        At least all that cannot be filled.
    pixels : Pixels

    Returns
    -------
    Tensor of bool, shape (rows, columns)
    """
    covered = np.ones(pixels.shape, bool)
    for grid in grids:
        covered &= grid.lat.contains_points(pixels.lat)[:, None] & grid.lon.contains_points(
            pixels.lon
        )
    missing = torch.from_numpy(~covered).to(stacks[0].values.device)
    for stack in stacks:
        part = stack.select_inputs([spec.name for spec in stack.specs if not spec.fillable])
        if part and not part.complete:
            holes = torch.isnan(part.values).any(0, keepdim=True).float()
            field = Field(part.grid, part.start, holes)
            missing |= field.select_nearest(pixels.lat, pixels.lon)[0] != 0
    return missing
