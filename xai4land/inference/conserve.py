"""Probabilities that agree with the fractions of their coarse cells."""

from __future__ import annotations

import torch

from xai4land.inference.features import Cells

__all__ = ["ROUNDS", "conserve"]

ROUNDS = 12
TINY = 1e-7


def conserve(
    probability: torch.Tensor, cells: Cells, groups: torch.Tensor, rounds: int = ROUNDS
) -> torch.Tensor:
    """Fit class probabilities to the coarse fractions by iterative proportional fitting.

    Each round scales the classes so that their mean over each coarse cell is the cell's
    fraction, then scales each pixel so that its probabilities sum to one (Deming and Stephan
    1940). The result is the closest in relative entropy that meets both (Csiszar 1975); where a
    cell is pure it is pure. Cells whose fractions are missing are left alone.

    Parameters
    ----------
    probability : Tensor, shape (classes, rows, columns)
    cells : Cells
        Whole cells: each mean is taken over the pixels that are in the box.
    groups : Tensor of int64, shape (classes,)
        Group of each class among ``cells.fractions``.
    rounds : int

    Returns
    -------
    Tensor, shape (classes, rows, columns)

    Examples
    --------
    >>> cells = Cells(torch.zeros(2, dtype=int), torch.zeros(2, dtype=int),
    ...               torch.tensor([0.25, 0.75])[:, None, None])
    >>> likely = torch.tensor([[[0.9, 0.5], [0.5, 0.1]]])
    >>> fitted = conserve(torch.cat([likely, 1 - likely]), cells, torch.tensor([0, 1]), 50)
    >>> fitted.mean((1, 2))
    tensor([0.2500, 0.7500])
    """
    height, width = cells.fractions.shape[-2:]
    count = _sums(torch.ones((1, *probability.shape[1:])), cells, height, width)
    known = torch.isfinite(cells.fractions)
    wanted = torch.where(known, cells.fractions, 0.0)
    for _ in range(rounds):
        grouped = torch.zeros((wanted.shape[0], *probability.shape[1:]))
        grouped = grouped.index_add(0, groups, probability)
        mean = _sums(grouped, cells, height, width) / count.clamp(min=1)
        factor = torch.where(known, (wanted + TINY) / (mean + TINY), 1.0)
        probability = probability * cells.spread(factor)[groups]
        probability = probability / probability.sum(0, keepdim=True).clamp(min=1e-12)
    return probability


def _sums(values: torch.Tensor, cells: Cells, height: int, width: int) -> torch.Tensor:
    zeros = torch.zeros((values.shape[0], height, values.shape[2]))
    by_row = zeros.index_add(1, cells.rows, values)
    return torch.zeros((values.shape[0], height, width)).index_add(2, cells.columns, by_row)
