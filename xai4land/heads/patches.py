"""Patches of drawn maps: how far noise is alike, so that they are as large as in the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.heads.areas import log_score
from xai4land.heads.noise import draw_gumbel
from xai4land.typing import Floats
from xai4land.windows.features import Pixels

__all__ = ["count_boundaries", "fit_patch"]

LENGTHS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)


def fit_patch(fields: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Find the length with which drawn maps have boundaries as often as the truth.

    Parameters
    ----------
    fields : sequence of (Tensor, Tensor)
        Of windows: probabilities, (classes, rows, columns), and the numbers of the true classes,
        255 where they are not known.

    Returns
    -------
    float
        Pixels, one of :data:`LENGTHS`.
    """
    truth = [count_boundaries(codes, codes == MISSING_CLASS) for _, codes in fields]
    wanted = sum(differ for differ, _ in truth) / max(sum(pairs for _, pairs in truth), 1)
    errors = {}
    for length in LENGTHS:
        drawn = []
        for number, (likely, codes) in enumerate(fields):
            rows, columns = (_count_degrees(size) for size in codes.shape)
            place = Pixels(rows, columns, (1.0, 1.0))
            noise = draw_gumbel(place, len(likely), seed=0, member=number, length=length)
            chosen = (log_score(likely) + noise).argmax(0)
            drawn.append(count_boundaries(chosen, codes == MISSING_CLASS))
        found = sum(differ for differ, _ in drawn) / max(sum(pairs for _, pairs in drawn), 1)
        errors[length] = abs(found - wanted)
    return min(errors, key=lambda length: errors[length])


def count_boundaries(codes: torch.Tensor, missing: torch.Tensor) -> tuple[int, int]:
    """Count the pairs of known neighbours that differ, and all of them.

    Examples
    --------
    >>> codes = torch.tensor([[0, 0, 1], [0, 0, 1]])
    >>> count_boundaries(codes, codes > 1)
    (2, 7)
    """
    differ = pairs = 0
    for dim in (0, 1):
        size = codes.shape[dim] - 1
        one, other = (codes.narrow(dim, k, size) for k in (0, 1))
        known = ~(missing.narrow(dim, 0, size) | missing.narrow(dim, 1, size))
        differ += int(((one != other) & known).sum())
        pairs += int(known.sum())
    return differ, pairs


def _count_degrees(size: int) -> Floats:
    """Return coordinates of a box that lies anywhere, one degree a pixel."""
    return 0.5 + np.arange(size, dtype=np.float64)
