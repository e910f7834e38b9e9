"""Least change: the pixels of a prior map that change, as many as each coarse cell demands."""

from __future__ import annotations

import torch

from xai4land.heads.conserve import members_of_cells
from xai4land.windows.cells import Cells

__all__ = ["allocate", "demanded_changes"]

HYSTERESIS = 0.1
"""Pixels beyond half a pixel that a class must lack before one changes: no pixel flips back and
forth in a series because of rounding."""
SCORE_STEPS = 2.0**12
"""Scores are rounded to this part of a unit, so that rounding errors decide no tie."""
SMALLEST_PROBABILITY = 1e-7


def allocate(
    prior: torch.Tensor,
    probability: torch.Tensor,
    cells: Cells,
    groups: torch.Tensor,
    exchange: float = 0.0,
) -> torch.Tensor:
    """Change as few pixels of a prior map as meet the fractions of each coarse cell.

    A class that a cell has too much of loses pixels to those that it lacks; these are the pixels
    whose probability of the new class, relative to that of the old one, is largest. Gaining
    classes are served one after another, the one with the most pixels to gain first. All pixels
    count alike. Cells whose fractions, or any of whose pixels, are missing stay as they are.

    Parameters
    ----------
    prior : Tensor of int64, shape (rows, columns)
        Number of the class of each pixel; -1 where missing.
    probability : Tensor, shape (classes, rows, columns)
        Of the new class.
    cells : Cells
        Whole cells, with the fractions of the groups of classes.
    groups : Tensor of int64, shape (classes,)
        Group of each class among ``cells.values``; between classes of a group nothing is moved.
    exchange : float
        Share of the expected exchange between two groups that is made beyond the net change.

    Returns
    -------
    Tensor of int64, shape (rows, columns)

    Examples
    --------
    >>> cells = Cells(torch.zeros(2, dtype=int), torch.zeros(2, dtype=int),
    ...               torch.tensor([0.25, 0.75])[:, None, None])
    >>> second = torch.tensor([[0.1, 0.2], [0.4, 0.3]])
    >>> allocate(torch.tensor([[0, 0], [0, 1]]), torch.stack([1 - second, second]), cells,
    ...          torch.tensor([0, 1]))
    tensor([[0, 1],
            [1, 1]])
    """
    count = cells.values.shape[-2:].numel()
    wanted = cells.values.reshape(-1, count)
    layout = members_of_cells(cells)
    old = layout.to_cells(prior[None] + 1)[0] - 1  # places without a pixel: -1
    pixels = layout.to_cells(torch.ones_like(prior[None]))[0].sum(0)
    own_group = torch.where(old >= 0, groups[old.clamp(min=0)], -1)
    counts = torch.stack([(own_group == k).sum(0) for k in range(wanted.shape[0])])
    losses, gains = demanded_changes(wanted, counts, pixels)
    known = torch.isfinite(wanted).all(0) & (counts.sum(0) == pixels)
    active = known & (losses.sum(0) > 0) if not exchange else known
    if not bool(active.any()):
        return prior
    chosen = active.nonzero()[:, 0]
    by_cell = layout.to_cells(probability.clamp(min=SMALLEST_PROBABILITY))[..., chosen]
    old, own_group = old[:, chosen], own_group[:, chosen]
    losses, gains = losses[:, chosen], gains[:, chosen]
    likely, member = _best_of_groups(by_cell, groups, wanted.shape[0])
    if exchange:
        extra = _exchanges(likely, own_group, exchange)
        losses, gains = losses + extra, gains + extra
    new = _move(old, own_group, likely, member, losses, gains)
    made = layout.to_cells(prior[None] + 1)[0] - 1
    return layout.to_pixels(made.index_copy(1, chosen, new)[None])[0]


def demanded_changes(
    wanted: torch.Tensor, counts: torch.Tensor, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many pixels each group of classes loses and gains in each cell.

    Both sums are equal. What a group lacks or has too much is rounded to whole pixels; where the
    sums of the two differ, those that were rounded up most give way.

    Parameters
    ----------
    wanted : Tensor, shape (groups, cells)
        Fractions; NaN where missing.
    counts : Tensor of int64, shape (groups, cells)
        Pixels of each group today.
    pixels : Tensor of int64, shape (cells,)

    Returns
    -------
    losses, gains : Tensor of int64, shape (groups, cells)

    Examples
    --------
    >>> wanted = torch.tensor([[0.5], [0.3], [0.2]])
    >>> losses, gains = demanded_changes(wanted, torch.tensor([[10], [0], [0]]), torch.tensor([10]))
    >>> losses[:, 0].tolist(), gains[:, 0].tolist()
    ([5, 0, 0], [0, 3, 2])
    """
    lacking = torch.nan_to_num(wanted.double() * pixels - counts)
    up = torch.floor(lacking.clamp(min=0) + 0.5 - HYSTERESIS)
    down = torch.floor((-lacking).clamp(min=0) + 0.5 - HYSTERESIS)
    total = torch.minimum(up.sum(0), down.sum(0))
    return _trim(down, -lacking, total).long(), _trim(up, lacking, total).long()


def _trim(rounded: torch.Tensor, exact: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Take pixels from what was rounded up most, until the sum of each cell is the total."""
    while bool((excess := rounded.sum(0) > total).any()):
        above = torch.where(rounded > 0, rounded - exact, -torch.inf)
        first = torch.nn.functional.one_hot(above.argmax(0), rounded.shape[0]).T
        rounded = rounded - first * excess
    return rounded


def _best_of_groups(
    by_cell: torch.Tensor, groups: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the probability of each group, and which of its classes is the most likely."""
    likely, member = [], []
    for k in range(count):
        classes = (groups == k).nonzero()[:, 0]
        likely.append(by_cell[classes].sum(0))
        member.append(classes[by_cell[classes].argmax(0)])
    return torch.stack(likely), torch.stack(member)


def _exchanges(likely: torch.Tensor, own_group: torch.Tensor, share: float) -> torch.Tensor:
    """Return how many pixels each group loses, and gains, in exchange with others; per cell."""
    count = likely.shape[0]
    flows = torch.stack([(likely * (own_group == k)).sum(1) for k in range(count)])
    pairs = torch.minimum(flows, flows.transpose(0, 1)) * share
    pairs = torch.floor(pairs + 0.5) * (1 - torch.eye(count))[..., None]
    return pairs.sum(1).long()


def _move(
    old: torch.Tensor,
    own_group: torch.Tensor,
    likely: torch.Tensor,
    member: torch.Tensor,
    losses: torch.Tensor,
    gains: torch.Tensor,
) -> torch.Tensor:
    """Return the class of each pixel, shape (pixels of a cell, cells), after all moves."""
    own = likely.gather(0, own_group.clamp(min=0)[None])[0]
    new, left = old.clone(), losses.clone()
    free = own_group >= 0
    order = gains.sum(1).argsort(descending=True).tolist()
    for k in (k for k in order if bool(gains[k].any())):
        score = torch.round(torch.log(likely[k] / own) * SCORE_STEPS)
        candidate = free & (own_group != k) & (left.gather(0, own_group.clamp(min=0)) > 0)
        score = torch.where(candidate, score, -torch.inf)
        ranked = score.argsort(dim=0, descending=True, stable=True)
        group = own_group.gather(0, ranked)
        allowed = candidate.gather(0, ranked)
        within = torch.zeros_like(group)
        for source in range(left.shape[0]):
            here = (group == source) & allowed
            within = torch.where(here, here.cumsum(0), within)
        allowed &= within <= left.gather(0, group.clamp(min=0))
        allowed &= allowed.cumsum(0) <= gains[k]
        moved = torch.zeros_like(allowed).scatter(0, ranked, allowed)
        new = torch.where(moved, member[k], new)
        free &= ~moved
        for source in range(left.shape[0]):
            left[source] -= (moved & (own_group == source)).sum(0)
    return new
