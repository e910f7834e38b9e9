"""Factors of class probabilities that are smooth across the borders of coarse cells."""

from __future__ import annotations

import torch

from xai4land.windows.cells import Cells

__all__ = ["find_smooth_factors"]

ROUNDS = 4
FLOOR = 1e-6
"""Added to fractions and means, so that neither is without a logarithm."""
LARGEST = 12.0
"""Largest logarithm of a factor."""


def find_smooth_factors(
    probability: torch.Tensor, cells: Cells, groups: torch.Tensor
) -> torch.Tensor:
    """Find factors that bring class probabilities near the coarse fractions, without steps.

    As :func:`xai4land.heads.conserve.conserve`, but the logarithm of a factor is interpolated
    between the centres of cells; so the fractions are met only nearly, and neighbouring pixels of
    two cells are treated alike.

    Parameters
    ----------
    probability : Tensor, shape (classes, rows, columns)
        Sums to one in each pixel.
    cells : Cells
        The fractions. Cells that are missing, or that the edge of the box cuts, get no factor.
    groups : Tensor of int64, shape (classes,)
        Group of each class among ``cells.values``.

    Returns
    -------
    Tensor, shape (classes, rows, columns)
        Logarithms of the factors.

    Examples
    --------
    Where all cells want the same, no factor depends on the place:

    >>> cells = Cells(torch.tensor([0]), torch.tensor([0, 0, 1, 1]),
    ...               torch.tensor([[[0.8, 0.8]], [[0.2, 0.2]]]))
    >>> found = find_smooth_factors(torch.full((2, 1, 4), 0.5), cells, torch.tensor([0, 1]))
    >>> found[:, 0].round(decimals=2)
    tensor([[ 0.4700,  0.4700,  0.4700,  0.4700],
            [-0.9200, -0.9200, -0.9200, -0.9200]])
    """
    values = cells.values
    known = torch.isfinite(values).all(0) & _find_whole(cells)
    wanted = torch.where(known, values, 0.0)
    means, places = zip(
        *(
            _make_matrices(line, count)
            for line, count in zip(cells[:2], values.shape[1:], strict=True)
        ),
        strict=True,
    )
    factor = torch.zeros_like(wanted)
    for _ in range(ROUNDS):
        scaled = torch.softmax(
            torch.log(probability.clamp(min=FLOOR)) + _spread(factor, places)[groups], 0
        )
        by_group = torch.zeros((wanted.shape[0], *scaled.shape[1:])).to(scaled)
        by_group = by_group.index_add(0, groups, scaled)
        mean = means[0] @ by_group @ means[1].T
        step = torch.log((wanted + FLOOR) / (mean + FLOOR))
        factor = (factor + torch.where(known, step, 0.0)).clamp(-LARGEST, LARGEST)
    return _spread(factor, places)[groups]


def _find_whole(cells: Cells) -> torch.Tensor:
    """Tell which cells the edge of the box does not cut, (cell rows, cell columns)."""
    whole = []
    for line, count in zip(cells[:2], cells.values.shape[1:], strict=True):
        sizes = torch.bincount(line, minlength=count)
        inner = torch.arange(count, device=line.device)
        inner = (inner > 0) & (inner < count - 1)
        whole.append(inner | (sizes == sizes.max()))
    return whole[0][:, None] & whole[1]


def _spread(factor: torch.Tensor, places: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return cells' values interpolated to pixels."""
    return places[0] @ factor @ places[1].T


def _make_matrices(line: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the matrices to means of cells, and from their centres to pixels, along an axis."""
    pixels = line.numel()
    number = torch.arange(pixels, device=line.device, dtype=torch.float32)
    member = (line[None] == torch.arange(count, device=line.device)[:, None]).float()
    sizes = member.sum(1, keepdim=True).clamp(min=1)
    mean = member / sizes
    centres = (member @ number[:, None] / sizes)[:, 0]
    if count == 1:
        return mean, torch.ones(pixels, 1, device=line.device)
    after = torch.searchsorted(centres, number).clamp(1, count - 1)
    gap = centres[after] - centres[after - 1]
    share = ((number - centres[after - 1]) / gap.clamp(min=1e-6)).clamp(0, 1)
    place = torch.zeros(pixels, count, device=line.device)
    place = place.scatter(1, (after - 1)[:, None], (1 - share)[:, None])
    return mean, place.scatter(1, after[:, None], share[:, None])
