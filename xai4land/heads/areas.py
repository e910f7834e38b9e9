"""Areas of the chosen classes: how many pixels of each a coarse cell may have, and the best map."""

from __future__ import annotations

from numbers import Real
from typing import Literal

import torch

from xai4land.errors import InputError
from xai4land.heads.assign import assign, to_steps
from xai4land.heads.conserve import members_of_cells
from xai4land.windows.cells import Cells

__all__ = [
    "Areas",
    "bound_counts",
    "check_areas",
    "choose_within_areas",
    "leave_out",
    "log_score",
    "round_to_pixels",
]

Areas = Literal["free", "exact"] | float

SMALLEST = 1e-37
"""Less than this counts as this, of a probability."""
ROUNDING = 1e-3
"""Part of a pixel that fractions in single precision may lack."""


def check_areas(areas: Areas) -> float | None:
    """Return the tolerance that is meant, as a share of the cell; None for free areas.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_areas("exact"), check_areas(0.05), check_areas("free")
    (0.0, 0.05, None)
    """
    if isinstance(areas, str) and areas in ("free", "exact"):
        return None if areas == "free" else 0.0
    if isinstance(areas, Real) and not isinstance(areas, bool) and 0 <= areas < 1:
        return float(areas)
    raise InputError(
        f"areas={areas!r}, expected 'free', 'exact', or by how much the share of a class in a "
        "coarse cell may differ, as areas=0.05"
    )


def round_to_pixels(fractions: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Turn fractions into whole pixels by largest remainder; of equal remainders the first.

    Parameters
    ----------
    fractions : Tensor, shape (groups, cells)
    pixels : Tensor of int64, shape (cells,)

    Returns
    -------
    Tensor of int64, shape (groups, cells)
        They add up to ``pixels``.

    Examples
    --------
    >>> round_to_pixels(torch.tensor([[0.5], [0.33], [0.17]]), torch.tensor([10]))[:, 0]
    tensor([5, 3, 2])
    """
    exact = fractions.clamp(min=0).double()
    exact = exact / exact.sum(0).clamp(min=1e-12) * pixels
    below = torch.floor(exact + ROUNDING)
    rank = (exact - below).argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    return (below + (rank < pixels - below.sum(0))).long()


def bound_counts(
    fractions: torch.Tensor, pixels: torch.Tensor, tolerance: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the fewest and most pixels of each group in each cell.

    Parameters
    ----------
    fractions : Tensor, shape (groups, cells)
        Where one is missing, any numbers will do.
    pixels : Tensor of int64, shape (cells,)
    tolerance : float
        Largest difference of a share. What the nearest whole pixels need is allowed, too.

    Examples
    --------
    >>> low, high = bound_counts(torch.tensor([[0.5], [0.5]]), torch.tensor([25]), 0.1)
    >>> low[:, 0], high[:, 0]
    (tensor([10, 10]), tensor([15, 15]))
    """
    known = torch.isfinite(fractions).all(0) & (fractions.clamp(min=0).sum(0) > 0)
    share = torch.where(known, fractions.clamp(min=0), 0.0).double()
    share = share / share.sum(0).clamp(min=1e-12)
    exact = round_to_pixels(share, pixels)
    fewest = torch.ceil((share - tolerance) * pixels - ROUNDING).long().clamp(min=0)
    most = torch.floor((share + tolerance) * pixels + ROUNDING).long()
    fewest, most = torch.minimum(fewest, exact), torch.maximum(most, exact)
    if not tolerance:
        fewest = most = exact
    return torch.where(known, fewest, 0), torch.where(known, most, pixels)


def choose_within_areas(
    score: torch.Tensor,
    cells: Cells,
    groups: torch.Tensor,
    tolerance: float,
    inside: torch.Tensor | None = None,
) -> torch.Tensor:
    """Choose classes with the largest sum of scores whose areas agree with the coarse fractions.

    Parameters
    ----------
    score : Tensor, shape (classes, rows, columns)
    cells : Cells
        Whole cells, with the fractions of the groups of classes.
    groups : Tensor of int64, shape (classes,)
        Group of each class among ``cells.values``; within a group the best class is free.
    tolerance : float
        Largest difference of the share of a group; 0 for whole pixels by largest remainder.
    inside : Tensor of bool, shape (rows, columns), optional
        Pixels that are chosen for; the fractions are those of these alone.

    Returns
    -------
    Tensor of int64, shape (rows, columns)
        Number of the class of each pixel; -1 outside.

    Examples
    --------
    >>> cells = Cells(torch.zeros(1, dtype=int), torch.zeros(4, dtype=int),
    ...               torch.tensor([0.25, 0.75])[:, None, None])
    >>> first = torch.tensor([[[0.9, 0.8, 0.7, 0.1]]])
    >>> choose_within_areas(torch.cat([first, 1 - first]), cells, torch.tensor([0, 1]), 0.0)
    tensor([[0, 1, 1, 1]])
    """
    count = cells.values.shape[-2:].numel()
    wanted = cells.values.reshape(-1, count)
    layout = members_of_cells(cells)
    there = torch.ones(score.shape[1:], dtype=torch.bool, device=score.device)
    there = there if inside is None else inside
    places = layout.to_cells(there[None].to(torch.uint8))[0] > 0
    fewest, most = bound_counts(wanted, places.sum(0), tolerance)
    best, member = _best_of_groups(layout.to_cells(to_steps(score)), groups, wanted.shape[0])
    group = assign(best, places, fewest, most)
    chosen = member.gather(0, group.clamp(min=0)[None])[0]
    return layout.to_pixels(torch.where(places, chosen, -1)[None])[0]


def leave_out(cells: Cells, inside: torch.Tensor, outside: int, alone: bool) -> Cells:
    """Return the fractions of the pixels inside a domain, all others being of one group.

    Parameters
    ----------
    cells : Cells
        Fractions of the groups in all of a cell.
    inside : Tensor of bool, shape (rows, columns)
    outside : int
        Group of the pixels that are not inside.
    alone : bool
        Whether no class inside is of that group.

    Examples
    --------
    Half of the cell is sea, which is also half of the pixels:

    >>> cells = Cells(torch.zeros(1, dtype=int), torch.zeros(2, dtype=int),
    ...               torch.tensor([0.5, 0.1, 0.4])[:, None, None])
    >>> leave_out(cells, torch.tensor([[True, False]]), 0, False).values.ravel()
    tensor([0.0000, 0.1000, 0.4000])
    """
    rows, columns, values = cells
    size = values.shape[1:]
    number = (rows[:, None] * size[1] + columns).ravel()
    pixels = torch.bincount(number, minlength=size.numel())
    lost = torch.bincount(number, weights=(~inside).ravel().double(), minlength=size.numel())
    share = (lost / pixels.clamp(min=1)).reshape(size).to(values.dtype)
    left = values.clone()
    known = torch.isfinite(left[outside])
    rest = torch.zeros_like(share) if alone else (left[outside] - share).clamp(min=0)
    left[outside] = torch.where(known, rest, torch.nan)
    return cells._replace(values=left)


def _best_of_groups(
    score: torch.Tensor, groups: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the score of the best class of each group, and which class it is."""
    best, member = [], []
    for k in range(count):
        classes = (groups == k).nonzero()[:, 0]
        best.append(score[classes].amax(0))
        member.append(classes[(score[classes] == best[-1]).to(torch.uint8).argmax(0)])
    return torch.stack(best), torch.stack(member)


def log_score(probability: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of probabilities, none of which is impossible."""
    return torch.log(probability.clamp(min=SMALLEST))
