"""Filling: the class of pixels that a prior map does not know, from what its coarse cells have."""

from __future__ import annotations

import torch

from xai4land.heads.allocate import best_of_groups, demanded_changes, log_steps
from xai4land.heads.assign import assign, count_groups
from xai4land.heads.conserve import members_of_cells
from xai4land.windows.cells import Cells

__all__ = ["fill_holes"]


def fill_holes(
    prior: torch.Tensor, probability: torch.Tensor, cells: Cells, groups: torch.Tensor
) -> torch.Tensor:
    """Fill the holes of a prior map, so that each coarse cell has its fractions of that date.

    Holes get what a cell's fractions have beyond its known pixels, in whole pixels, where it is the
    most probable. So the sea beyond a coast, where fractions have nothing but sea beyond the land,
    is sea, whatever is likely there; change of the land is then not placed on it.

    Parameters
    ----------
    prior : Tensor of int64, shape (rows, columns)
        Number of the class of each pixel; -1 where missing.
    probability : Tensor, shape (classes, rows, columns)
    cells : Cells
        Whole cells, with the fractions of the groups of classes at the date of the prior map; where
        these are missing, or have nothing beyond the known pixels, the probabilities decide alone.
    groups : Tensor of int64, shape (classes,)
        Group of each class among ``cells.values``.

    Returns
    -------
    Tensor of int64, shape (rows, columns)

    Examples
    --------
    >>> cells = Cells(torch.zeros(2, dtype=int), torch.zeros(2, dtype=int),
    ...               torch.tensor([0.25, 0.75])[:, None, None])
    >>> second = torch.tensor([[0.5, 0.1], [0.4, 0.3]])
    >>> fill_holes(torch.tensor([[1, -1], [-1, -1]]), torch.stack([1 - second, second]), cells,
    ...            torch.tensor([0, 1]))
    tensor([[1, 0],
            [1, 1]])
    """
    if bool((prior >= 0).all()):
        return prior
    layout = members_of_cells(cells)
    old = layout.to_cells(prior[None] + 1)[0] - 1
    inside = layout.to_cells(torch.ones_like(prior[None]))[0] > 0
    chosen = (inside & (old < 0)).any(0).nonzero()[:, 0]
    part = old[:, chosen]
    holes = inside[:, chosen] & (part < 0)
    wanted = cells.values.reshape(cells.values.shape[0], -1)[:, chosen]
    likely, member = best_of_groups(
        layout.to_cells(probability)[..., chosen], groups, wanted.shape[0]
    )
    known = count_groups(torch.where(part >= 0, groups[part.clamp(min=0)], -1), wanted.shape[0])
    beyond = (wanted * inside[:, chosen].sum(0) - known).clamp(min=0)
    some = torch.isfinite(beyond).all(0) & (beyond.sum(0) > 0)
    beyond = torch.where(some, beyond, (likely * holes).sum(1))
    _, counts = demanded_changes(beyond, torch.zeros_like(known), holes.sum(0))
    group = counts.argmax(0).expand(holes.shape).clone()  # all holes of a cell alike, as at sea
    mixed = ((counts > 0).sum(0) > 1).nonzero()[:, 0]
    if mixed.numel():
        wanted = counts[:, mixed]
        group[:, mixed] = assign(log_steps(likely[..., mixed]), holes[:, mixed], wanted, wanted)
    filled = member.gather(0, group.clamp(min=0)[None])[0]
    new = old.index_copy(1, chosen, torch.where(holes, filled, part))
    return layout.to_pixels(new[None])[0]
