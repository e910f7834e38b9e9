"""What surrounds each pixel of a prior map: shares of classes in its neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

__all__ = ["gaussian_shares", "inverse_square_shares", "one_hot"]


def one_hot(codes: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    """Return which class each pixel has, shape (batch, classes, rows, columns).

    Parameters
    ----------
    codes : Tensor of int64, shape (batch, rows, columns)
        Positions among the sorted codes, from one; 0 where the map is missing.
    order : sequence of int
        Number of the class at each position.
    """
    there = F.one_hot(codes, len(order) + 1)[..., 1:].permute(0, 3, 1, 2).float()
    classes = torch.zeros_like(there)
    classes[:, list(order)] = there
    return classes


def gaussian_shares(classes: torch.Tensor, radius: float) -> torch.Tensor:
    """Return Gaussian means of a standard deviation in pixels; beyond the window its edge goes on.

    Examples
    --------
    >>> shares = gaussian_shares(torch.eye(9)[None, None], 1.0)
    >>> round(float(shares[0, 0, 4, 4]), 2)
    0.28
    """
    down, across = (
        _gaussian_matrix(size, radius).to(classes.device) for size in classes.shape[-2:]
    )
    return down @ classes @ across.T


def _gaussian_matrix(size: int, radius: float) -> torch.Tensor:
    """Return the weights of all pixels of a line in the mean of each."""
    reach = max(round(3 * radius), 1)
    distance = torch.arange(-reach, reach + 1)
    weight = torch.exp(-0.5 * (distance / radius) ** 2)
    others = (torch.arange(size)[:, None] + distance).clamp(0, size - 1)
    matrix = torch.zeros(size, size)
    return matrix.scatter_add(1, others, (weight / weight.sum()).expand(size, -1))


def inverse_square_shares(classes: torch.Tensor, reach: int) -> torch.Tensor:
    """Return means over the pixels around, weighted by the inverse square of their distance.

    The pixel itself does not count.
    """
    distance = torch.arange(-reach, reach + 1, dtype=torch.float32, device=classes.device)
    square = distance[:, None] ** 2 + distance**2
    weight = torch.where(square > 0, 1 / square.clamp(min=1), 0.0)
    kernel = (weight / weight.sum()).expand(classes.shape[1], 1, -1, -1)
    wide = F.pad(classes, (reach,) * 4, mode="replicate")
    return F.conv2d(wide, kernel, groups=classes.shape[1])
