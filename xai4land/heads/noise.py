"""Noise by which maps are drawn: fixed to places on the globe, and alike in neighbouring pixels."""

from __future__ import annotations

import math

import numpy as np
import torch

from xai4land.heads.outputs import Dimension
from xai4land.windows.features import Pixels

__all__ = ["check_members", "draw_gumbel", "realizations"]

REACH = 3
"""Standard deviations at which the kernel of the correlation ends."""
FACTORS = (-7046029254386353131, -4658895280553007687, -7723592293110705685)
"""Odd factors of SplitMix64 (Steele et al. 2014), as signed numbers."""
BITS = 2.0**-53
CPU = torch.device("cpu")
"""Where noise is drawn, in double precision: some devices have none, and others other rounding."""


def check_members(members: int | None, seed: int) -> list[str]:
    """Return what is wrong with a number of members and a seed.

    Examples
    --------
    >>> check_members(0, 1)
    ['members=0, expected a whole number from 1, or none for the most likely map']
    """
    problems = []
    whole = isinstance(members, int | np.integer) and not isinstance(members, bool)
    if members is not None and not (whole and members > 0):
        problems.append(
            f"members={members!r}, expected a whole number from 1, or none for the most likely map"
        )
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**62:
        problems.append(f"seed={seed!r}, expected a whole number from 0")
    return problems


def realizations(members: int) -> Dimension:
    """Return the dimension of the maps that are drawn."""
    about = {"standard_name": "realization", "long_name": "drawn map", "units": "1"}
    return Dimension("realization", tuple(range(members)), about)


def draw_gumbel(
    pixels: Pixels, classes: int, *, seed: int, member: int, length: float
) -> torch.Tensor:
    """Draw Gumbel noise for each class and pixel, alike in pixels near each other.

    A class drawn as that of the largest sum of logarithm of probability and Gumbel noise has
    its probability (Gumbel 1954), whatever the noise of other pixels. White noise is made from the
    position of each pixel on the globe by a counter (Salmon et al. 2011), smoothed by a Gaussian
    kernel that keeps its variance, and brought to Gumbel's distribution; so a draw depends on
    neither chunks nor domain nor device, and its years have the same noise.

    Parameters
    ----------
    pixels : Pixels
    classes : int
    seed, member : int
    length : float
        Standard deviation of the kernel, in pixels; without correlation if 0.

    Returns
    -------
    Tensor of float64 on the CPU, shape (classes, rows, columns)

    Examples
    --------
    >>> import numpy as np
    >>> box = Pixels(np.array([0.5, -0.5]), np.array([0.5, 1.5, 2.5]), (1.0, 1.0))
    >>> part = Pixels(box.lat[1:], box.lon[1:], box.spacings)
    >>> whole, piece = (draw_gumbel(p, 4, seed=0, member=0, length=2.0) for p in (box, part))
    >>> bool((whole[:, 1:, 1:] == piece).all())
    True
    """
    kernel = _make_kernel(length)
    beyond = kernel.numel() // 2
    dy, dx = pixels.spacings
    around = max(round(360 / dx), 1)
    top = math.floor((90 - float(pixels.lat[0])) / dy + 1e-6) - beyond
    left = math.floor((float(pixels.lon[0]) + 180) / dx + 1e-6) - beyond
    height, width = (size + 2 * beyond for size in pixels.shape)
    rows = torch.arange(top, top + height, device=CPU)
    columns = torch.arange(left, left + width, device=CPU).remainder(around)
    number = _mix(torch.tensor(seed, device=CPU), torch.tensor(member, device=CPU))
    keys = _mix(number, torch.arange(classes, device=CPU))[:, None, None]
    uniform = _to_uniform(_mix(_mix(keys, rows[:, None]), columns))
    normal = torch.special.ndtri(uniform)
    if beyond:
        normal = _smooth(_smooth(normal, kernel, 1), kernel, 2)
    noise: torch.Tensor = -torch.log(-torch.special.log_ndtr(normal))
    return noise


def _make_kernel(length: float) -> torch.Tensor:
    """Return weights along an axis whose squares add up to one."""
    beyond = math.ceil(REACH * length)
    distance = torch.arange(-beyond, beyond + 1, dtype=torch.float64, device=CPU)
    weights = torch.exp(-0.5 * (distance / max(length, 1e-9)) ** 2)
    total: torch.Tensor = weights / weights.square().sum().sqrt()
    return total


def _smooth(values: torch.Tensor, kernel: torch.Tensor, dim: int) -> torch.Tensor:
    """Return weighted sums along a dimension, in an order that no shape changes."""
    size = values.shape[dim] - kernel.numel() + 1
    total = torch.zeros_like(values.narrow(dim, 0, size))
    for place, weight in enumerate(kernel.tolist()):
        total.add_(values.narrow(dim, place, size), alpha=weight)
    return total


def _mix(key: torch.Tensor, counter: torch.Tensor) -> torch.Tensor:
    """Return 64 bits that a key and a counter decide (SplitMix64)."""
    bits = key + (counter + 1) * FACTORS[0]
    bits = (bits ^ _shift(bits, 30)) * FACTORS[1]
    bits = (bits ^ _shift(bits, 27)) * FACTORS[2]
    return bits ^ _shift(bits, 31)


def _shift(bits: torch.Tensor, places: int) -> torch.Tensor:
    """Shift to the right, filling up with zeros."""
    kept: int = 2 ** (64 - places) - 1
    return (bits >> places) & kept


def _to_uniform(bits: torch.Tensor) -> torch.Tensor:
    """Return numbers between 0 and 1, never at the ends."""
    return (_shift(bits, 11).double() + 0.5) * BITS
