"""Fields that agree with their coarse cells: probabilities with fractions, numbers with means."""

from __future__ import annotations

from typing import NamedTuple

import torch

from xai4land.windows.cells import Cells

__all__ = ["PURE", "ROUNDS", "CellLayout", "conserve", "conserve_means", "members_of_cells"]

PURE = 1 - 1e-6
"""A fraction above this is all of a cell."""

ROUNDS = 8
RELAXATION = 1.5
"""Exponent of the factors: over-relaxed, 8 rounds come as close as 12 plain ones."""
SMALLEST_PROBABILITY = 1e-7
"""Less than this counts as this, of a pixel's probability and of a cell's mean."""


def conserve(
    probability: torch.Tensor, cells: Cells, groups: torch.Tensor, rounds: int = ROUNDS
) -> torch.Tensor:
    """Fit class probabilities to the coarse fractions by iterative proportional fitting.

    Each round scales the classes so that their mean over each coarse cell is the cell's
    fraction, then scales each pixel so that its probabilities sum to one (Deming and Stephan
    1940); after the first round the factors are over-relaxed, as Thibault et al. (2021) do for
    Sinkhorn's algorithm, which is the same. The limit is the closest in relative entropy that
    meets both (Csiszar 1975); where a cell is pure it is pure. Cells whose fractions are missing
    are left alone.

    Parameters
    ----------
    probability : Tensor, shape (classes, rows, columns)
        Sums to one in each pixel.
    cells : Cells
        Whole cells: each mean is taken over the pixels that are in the box.
    groups : Tensor of int64, shape (classes,)
        Group of each class among ``cells.values``.
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
    count, layout = cells.values.shape[-2:].numel(), members_of_cells(cells)
    wanted = cells.values.reshape(-1, count)
    # A class that the network rules out in all of a cell could not be raised there.
    by_cell = layout.to_cells(probability.clamp(min=SMALLEST_PROBABILITY))
    inside = layout.to_cells(torch.ones_like(probability[:1]))[0]
    grouped = _grouped(by_cell, groups, wanted.shape[0])
    # A pure cell needs one round: only the others go on.
    factor = _factors(grouped, torch.ones_like(wanted), wanted, inside, 1, 1.0)
    mixed = (wanted.amax(0) <= PURE).nonzero()[:, 0]
    if mixed.numel() == count:
        factor = _factors(grouped, factor, wanted, inside, rounds - 1)
    elif mixed.numel():
        part = _factors(
            grouped[..., mixed], factor[:, mixed], wanted[:, mixed], inside[:, mixed], rounds - 1
        )
        factor = factor.index_copy(1, mixed, part)
    scaled = by_cell * factor[groups][:, None]
    return layout.to_pixels(scaled / scaled.sum(0).clamp(min=1e-12))


def conserve_means(
    values: torch.Tensor,
    cells: Cells,
    low: torch.Tensor,
    high: torch.Tensor,
    rounds: int = ROUNDS,
) -> torch.Tensor:
    """Shift values so that their mean over each coarse cell is the cell's, within a valid range.

    Each round adds to all pixels of a cell that are not at the end of the range what its mean
    lacks; so differences within the cell stay where the range allows it. Cells whose value is
    missing are left alone.

    Parameters
    ----------
    values : Tensor, shape (layers, rows, columns)
    cells : Cells
        Whole cells, with the means to meet.
    low, high : Tensor, shape (layers,)
        The valid range; a mean outside is brought to its end.
    rounds : int

    Returns
    -------
    Tensor, shape (layers, rows, columns)

    Examples
    --------
    >>> cells = Cells(torch.zeros(1, dtype=int), torch.zeros(2, dtype=int), torch.ones(1, 1, 1))
    >>> conserve_means(torch.tensor([[[0.2, 3.0]]]), cells, torch.zeros(1), torch.full((1,), 6.0))
    tensor([[[0., 2.]]])
    """
    count, layout = cells.values.shape[-2:].numel(), members_of_cells(cells)
    low, high = low[:, None, None], high[:, None, None]
    wanted = cells.values.reshape(-1, 1, count).clamp(low, high)
    by_cell = layout.to_cells(values.clamp(low, high))
    inside = layout.to_cells(torch.ones_like(values[:1])) > 0
    pixels = inside.sum(1, keepdim=True).clamp(min=1)
    for _ in range(rounds):
        mean = torch.where(inside, by_cell, 0.0).sum(1, keepdim=True) / pixels
        gap = torch.nan_to_num(wanted - mean)
        free = inside & torch.where(gap > 0, by_cell < high, by_cell > low)
        shift = gap * pixels / free.sum(1, keepdim=True).clamp(min=1)
        by_cell = torch.where(free, by_cell + shift, by_cell).clamp(low, high)
    return layout.to_pixels(by_cell)


def _factors(
    grouped: torch.Tensor,
    factor: torch.Tensor,
    wanted: torch.Tensor,
    inside: torch.Tensor,
    rounds: int,
    power: float = RELAXATION,
) -> torch.Tensor:
    """Go on with the factor of each group and cell; a pixel's divisor follows from them."""
    known = torch.isfinite(wanted)
    wanted = torch.where(known, wanted, 0.0)  # a missing one would make all gradients missing
    pixels = inside.sum(0).clamp(min=1)
    # Without gradients one buffer serves all rounds.
    work = None if grouped.requires_grad else torch.empty_like(grouped)
    for _ in range(rounds):
        scaled = torch.mul(grouped, factor[:, None], out=work)
        share = inside / scaled.sum(0).clamp(min=1e-12)
        mean = torch.mul(scaled, share, out=work).sum(1) / pixels
        factor = (
            factor * torch.where(known, wanted / mean.clamp(min=SMALLEST_PROBABILITY), 1.0) ** power
        )
    return factor


class _Members(NamedTuple):
    """Which pixels each cell holds along an axis.

    Cells with fewer pixels than others are filled up with pixels beyond the last one.

    Attributes
    ----------
    cells, most : int
        Number of cells, and of pixels in the largest.
    places : Tensor or None, shape (cells * most,)
        Pixel at each place, cell by cell; none where that is all pixels in order.
    back : Tensor or None, shape (pixels,)
        Place of each pixel.
    """

    cells: int
    most: int
    places: torch.Tensor | None
    back: torch.Tensor | None

    @classmethod
    def of(cls, cell: torch.Tensor, cells: int) -> _Members:
        """From the cell of each pixel."""
        sizes = torch.bincount(cell, minlength=cells)
        most = int(sizes.max())
        if cells * most == cell.numel() and bool((cell.diff() >= 0).all()):
            return cls(cells, most, None, None)
        first = sizes.cumsum(0) - sizes
        order = torch.argsort(cell, stable=True)
        number = torch.arange(cell.numel(), device=cell.device)
        filled = cell[order] * most + (number - first[cell[order]])
        places = torch.full((cells * most,), cell.numel(), device=cell.device)
        return cls(cells, most, places.scatter(0, filled, order), filled[torch.argsort(order)])


class CellLayout(NamedTuple):
    """The layout of pixels by coarse cells: which pixels each cell holds along both axes."""

    down: _Members
    across: _Members

    def to_cells(self, values: torch.Tensor) -> torch.Tensor:
        """From (layers, rows, columns) to (layers, pixels of a cell, cells); zero if filled up."""
        return _to_cells(values, *self)

    def to_pixels(self, values: torch.Tensor) -> torch.Tensor:
        """Back from :meth:`to_cells`."""
        return _to_pixels(values, *self)


def members_of_cells(cells: Cells) -> CellLayout:
    """Return the layout of the pixels in a box by the coarse cells under it."""
    size = cells.values.shape[-2:]
    return CellLayout(*(_Members.of(*line) for line in zip(cells[:2], size, strict=True)))


def _to_cells(values: torch.Tensor, down: _Members, across: _Members) -> torch.Tensor:
    """From (layers, rows, columns) to (layers, pixels of a cell, cells); zero where filled up."""
    if down.places is not None:
        values = torch.nn.functional.pad(values, (0, 0, 0, 1)).index_select(1, down.places)
    if across.places is not None:
        values = torch.nn.functional.pad(values, (0, 1)).index_select(2, across.places)
    parted = values.reshape(-1, down.cells, down.most, across.cells, across.most)
    return parted.permute(0, 2, 4, 1, 3).reshape(
        -1, down.most * across.most, down.cells * across.cells
    )


def _to_pixels(values: torch.Tensor, down: _Members, across: _Members) -> torch.Tensor:
    """Back from :func:`_to_cells`."""
    parted = values.reshape(-1, down.most, across.most, down.cells, across.cells)
    values = parted.permute(0, 3, 1, 4, 2).reshape(
        -1, down.cells * down.most, across.cells * across.most
    )
    values = values if down.back is None else values.index_select(1, down.back)
    return values if across.back is None else values.index_select(2, across.back)


def _grouped(probability: torch.Tensor, groups: torch.Tensor, count: int) -> torch.Tensor:
    if count == groups.numel() and bool((groups.diff() > 0).all()):
        return probability
    return torch.stack([probability[groups == k].sum(0) for k in range(count)])
