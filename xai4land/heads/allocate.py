"""Allocation: the pixels of a prior map that change, as many as each coarse cell demands."""

from __future__ import annotations

import torch

from xai4land.heads.assign import IMPOSSIBLE, assign, count_groups, to_steps
from xai4land.heads.conserve import members_of_cells
from xai4land.windows.cells import Cells

__all__ = ["allocate", "best_of_groups", "demanded_changes", "log_steps"]

HYSTERESIS = 0.2
"""Part of a pixel by which a class that has the pixel already is favoured in rounding."""
ROUNDING = 1e-3
"""Part of a pixel that fractions in single precision may lack."""
SMALLEST_PROBABILITY = 1e-7
"""Less than this counts as this."""


def allocate(
    prior: torch.Tensor,
    probability: torch.Tensor,
    cells: Cells,
    groups: torch.Tensor,
    threshold: float | None = None,
) -> torch.Tensor:
    """Change the pixels of a prior map so that the fractions of each coarse cell are met.

    A class that a cell has too much of loses pixels to those that it lacks, as few as possible:
    of all such maps the one is chosen whose changes have the largest sum of log-odds of new and old
    class, as a transport problem (Hitchcock 1941, Kantorovich 1942). All pixels count alike. Cells
    whose fractions, or any of whose pixels, are missing stay as they are, as do those without
    change.

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
    threshold : float, optional
        If given, classes also exchange pixels beyond the net change, in cells with change: a pixel
        keeps its class for this part of its probability. Of maps that meet the fractions that one
        is chosen whose probabilities, so weighted, have the largest sum.

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
    counts = count_groups(own_group, wanted.shape[0])
    losses, gains = demanded_changes(wanted, counts, pixels)
    known = torch.isfinite(wanted).all(0) & (counts.sum(0) == pixels)
    chosen = (known & (losses.sum(0) > 0)).nonzero()[:, 0]
    if not chosen.numel():
        return prior
    by_cell = layout.to_cells(probability)[..., chosen]
    part, own_group = old[:, chosen], own_group[:, chosen]
    losses, gains = losses[:, chosen], gains[:, chosen]
    likely, member = best_of_groups(by_cell, groups, wanted.shape[0])
    if threshold is None:
        value = _value_moves(own_group, likely, losses, gains)
    else:
        value = _value_exchange(own_group, likely, threshold)
    demand = counts[:, chosen] + gains - losses
    new_group = assign(value, own_group >= 0, demand, demand)
    moved = member.gather(0, new_group.clamp(min=0)[None])[0]
    new = torch.where(new_group == own_group, part, moved)
    return layout.to_pixels(old.index_copy(1, chosen, new)[None])[0]


def demanded_changes(
    wanted: torch.Tensor, counts: torch.Tensor, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many pixels each group of classes loses and gains in each cell.

    Fractions become whole pixels by largest remainder. A group that has the larger of the two
    numbers already is favoured, or in a series pixels would flip back and forth by rounding.

    Parameters
    ----------
    wanted : Tensor, shape (groups, cells)
        Fractions; where one is missing nothing is demanded.
    counts : Tensor of int64, shape (groups, cells)
        Pixels of each group today.
    pixels : Tensor of int64, shape (cells,)

    Returns
    -------
    losses, gains : Tensor of int64, shape (groups, cells)
        Both have the same sums, in cells whose pixels all have a group.

    Examples
    --------
    >>> wanted = torch.tensor([[0.5], [0.33], [0.17]])
    >>> losses, gains = demanded_changes(wanted, torch.tensor([[10], [0], [0]]), torch.tensor([10]))
    >>> losses[:, 0].tolist(), gains[:, 0].tolist()
    ([5, 0, 0], [0, 3, 2])
    """
    known = torch.isfinite(wanted).all(0)
    exact = torch.where(known, wanted.clamp(min=0), 0.0).double()
    exact = exact / exact.sum(0).clamp(min=1e-12) * pixels
    below = torch.floor(exact + ROUNDING)
    spare = pixels - below.sum(0)
    favour = exact - below + HYSTERESIS * (counts > below)
    rank = favour.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    demand = (below + (rank < spare)).long()
    change = torch.where(known, demand - counts, 0)
    return (-change).clamp(min=0), change.clamp(min=0)


def best_of_groups(
    by_cell: torch.Tensor, groups: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the probability of each group, and which of its classes is the most likely."""
    likely, member = [], []
    for k in range(count):
        classes = (groups == k).nonzero()[:, 0]
        likely.append(by_cell[classes].sum(0))
        member.append(classes[by_cell[classes].argmax(0)])
    return torch.stack(likely), torch.stack(member)


def log_steps(likely: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of probabilities, in whole steps."""
    return to_steps(torch.log(likely.clamp(min=SMALLEST_PROBABILITY)))


def _value_moves(
    own_group: torch.Tensor, likely: torch.Tensor, losses: torch.Tensor, gains: torch.Tensor
) -> torch.Tensor:
    """Return the value of each group where only net change is made: its log-odds.

    No group is possible beside its own for a pixel of a group that does not lose, nor any that
    does not gain.
    """
    score = log_steps(likely)
    leaves = losses.gather(0, own_group.clamp(min=0)) > 0
    own = _own(own_group, likely.shape[0])
    return torch.where(own | (leaves & (gains > 0)[:, None]), score, IMPOSSIBLE)


def _value_exchange(
    own_group: torch.Tensor, likely: torch.Tensor, threshold: float
) -> torch.Tensor:
    """Return the value of each group: its probability, times the threshold for a pixel's own.

    With the threshold at the figure of merit that is reached, the expected figure of merit of the
    map with the largest sum is the largest (as Dinkelbach 1967 maximises a ratio).
    """
    return to_steps(torch.where(_own(own_group, likely.shape[0]), likely * threshold, likely))


def _own(group: torch.Tensor, groups: int) -> torch.Tensor:
    """Return whether a pixel is of each group, shape (groups, pixels of a cell, cells)."""
    return torch.nn.functional.one_hot(group.clamp(min=0), groups).permute(2, 0, 1) > 0
