"""Assignment: the group of each pixel of a coarse cell, at the least loss that its areas allow."""

from __future__ import annotations

import torch

__all__ = ["IMPOSSIBLE", "assign", "count_groups", "find_prices", "to_steps"]

STEPS = 2.0**14
"""Scores are rounded to this part of a unit, so that rounding errors decide nothing."""
IMPOSSIBLE = -(2**24)
"""Score of a group that a pixel cannot have, in whole steps."""
VIOLATION = 2**40
"""Loss of a pixel more, or less, than a cell allows."""
UNREACHED = 2**60
PRICE_ROUNDS = 4


def assign(
    score: torch.Tensor,
    places: torch.Tensor,
    fewest: torch.Tensor,
    most: torch.Tensor,
) -> torch.Tensor:
    """Choose a group for each pixel so that the sum of scores is largest within bounds of areas.

    This is a transport problem in each cell (Hitchcock 1941), solved by successive shortest paths
    (Ahuja, Magnanti and Orlin 1993, section 9.7): from the best map without bounds, or one that is
    the best for its own counts, pixels are moved one at a time along the chain of groups that loses
    least. Of equal losses that of the first pixel, and of the first group, is taken, or what their
    numbers say in the prices, so that the result does not depend on other cells.

    Parameters
    ----------
    score : Tensor of int64, shape (groups, pixels of a cell, cells)
        In whole steps, above :data:`IMPOSSIBLE` where a pixel can have the group.
    places : Tensor of bool, shape (pixels of a cell, cells)
        Where there is a pixel.
    fewest, most : Tensor of int64, shape (groups, cells)
        Bounds of the number of pixels of each group, which some map meets.

    Returns
    -------
    Tensor of int64, shape (pixels of a cell, cells)
        Groups; -1 where there is no pixel.

    Examples
    --------
    >>> score = torch.tensor([[9, 8, 7], [0, 6, 3]])[..., None]
    >>> bounds = torch.tensor([[1], [2]])
    >>> assign(score, torch.ones(3, 1, dtype=bool), bounds, bounds)[:, 0]
    tensor([0, 1, 1])
    """
    group = _choose_best(score, places)
    counts = count_groups(group, score.shape[0])
    open_ = ((counts < fewest) | (counts > most)).any(0)
    exact = (open_ & (fewest == most).all(0)).nonzero()[:, 0]
    if exact.numel():
        group[:, exact] = find_prices(score[..., exact], places[:, exact], most[:, exact])
    cells = open_.nonzero()[:, 0]
    score, part, fewest, most = (one[..., cells] for one in (score, group, fewest, most))
    while cells.numel():
        part, improved = _move_one(score, part, fewest, most)
        group[:, cells] = part
        cells = cells[improved]
        score, part, fewest, most = (one[..., improved] for one in (score, part, fewest, most))
    return group


def to_steps(score: torch.Tensor) -> torch.Tensor:
    """Return scores, of less than 1,000, in whole steps."""
    return torch.round(score * STEPS).long()


def count_groups(group: torch.Tensor, groups: int) -> torch.Tensor:
    """Count the pixels of each group in each cell, shape (groups, cells)."""
    return torch.stack([(group == k).sum(0) for k in range(groups)])


def _choose_best(score: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the group with the largest score, the first of equals; -1 without a pixel."""
    groups = score.shape[0]
    rank = torch.arange(groups - 1, -1, -1, device=score.device)[:, None, None]
    best = (score * groups + rank).amax(0)
    return torch.where(places, groups - 1 - best.remainder(groups), -1)


def _move_one(
    score: torch.Tensor,
    group: torch.Tensor,
    fewest: torch.Tensor,
    most: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move pixels along the best chain of groups in each cell, and tell where that helped."""
    counts = count_groups(group, score.shape[0])
    loss, pixel = _find_losses(score, group)
    give = _loss_beyond(counts - fewest, counts > most)
    take = _loss_beyond(most - counts, counts < fewest)
    distance, before = _find_chains(give, loss)
    end, total = _argmin(distance + take)
    improved = total < 0
    new = group.clone()
    cells = torch.arange(group.shape[1], device=group.device)[improved]
    last = end[improved]
    # Back along the chain, each group's pixel to the one that follows.
    for _ in range(score.shape[0]):
        first = before[last, cells]
        going = first >= 0
        cells, last, first = cells[going], last[going], first[going]
        if not cells.numel():
            break
        new[pixel[first, last, cells], cells] = last
        last = first
    return new, improved


def _loss_beyond(room: torch.Tensor, forced: torch.Tensor) -> torch.Tensor:
    """Return the loss of changing a count: none within bounds, a gain if it must change."""
    loss = torch.where(room > 0, 0, VIOLATION)
    return torch.where(forced, -VIOLATION, loss)


def _find_losses(score: torch.Tensor, group: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the least loss of moving a pixel of one group to another, and which pixel that is.

    Returns
    -------
    loss, pixel : Tensor of int64, shape (from group, to group, cells)
    """
    groups, pixels, _ = score.shape
    own = score.gather(0, group.clamp(min=0)[None])
    number = torch.arange(pixels, device=score.device)[:, None]
    loss = (own - score) * pixels + number
    best = []
    for k in range(groups):
        here = torch.where(group == k, loss, UNREACHED).amin(1)
        here[k] = UNREACHED
        best.append(here)
    least = torch.stack(best)
    known = least < UNREACHED
    value = torch.div(least, pixels, rounding_mode="floor")
    value = torch.where(known & (value < -IMPOSSIBLE // 2), value, UNREACHED)
    return value, least.remainder(pixels)


def _find_chains(give: torch.Tensor, loss: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the least loss of giving a pixel to each group, from any (Bellman 1958, Ford 1956).

    Returns
    -------
    distance, before : Tensor of int64, shape (groups, cells)
        The loss, and the group before it in the chain; -1 at its beginning.
    """
    distance, before = give, torch.full_like(give, -1)
    for _ in range(give.shape[0] - 1):
        source, found = _argmin(distance[:, None] + loss)
        shorter = found < distance
        if not bool(shorter.any()):
            break
        distance = torch.where(shorter, found, distance)
        before = torch.where(shorter, source, before)
    return distance, before


def _argmin(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first position of the minimum over the first dimension, and the minimum."""
    least = values.amin(0)
    first = (values == least).to(torch.uint8).argmax(0)  # of equal ones
    return first, least


def find_prices(score: torch.Tensor, places: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Choose groups that are the best for their own counts, which are near given ones.

    Each group has a price in each cell, the dual of its count in the transport problem; the prices
    are found one after another, so that as many pixels choose the group as are wanted (coordinate
    descent).

    Parameters
    ----------
    score : Tensor of int64, shape (groups, pixels of a cell, cells)
    places : Tensor of bool, shape (pixels of a cell, cells)
    counts : Tensor of int64, shape (groups, cells)

    Returns
    -------
    Tensor of int64, shape (pixels of a cell, cells)
        Groups; -1 where there is no pixel.
    """
    groups, pixels, _ = score.shape
    # Prices tell no equal pixels apart, and moving these one by one takes long. So equals are set
    # apart by their numbers: by so little that along no chain of groups does it add up to a step.
    number = torch.arange(pixels, device=score.device)[:, None] / (4.0 * groups**2 * pixels)
    value = score.double() - torch.arange(groups, device=score.device)[:, None, None] * number
    limit = -4.0 * IMPOSSIBLE
    prices = torch.zeros(counts.shape, dtype=value.dtype, device=value.device)
    last = (counts - 1).clamp(min=0)
    after = torch.minimum(counts, (places.sum(0) - 1).clamp(min=0))
    for _ in range(PRICE_ROUNDS):
        for k in range(groups):
            offers = value + prices[:, None]
            offers[k] = -torch.inf
            margin = torch.where(places, value[k] - offers.amax(0), -torch.inf)
            ranked = margin.clamp(-limit, limit).sort(dim=0, descending=True).values
            edge = (ranked.gather(0, last[k][None]) + ranked.gather(0, after[k][None]))[0] / 2
            # Nobody is to choose a group of which there is none; all do if it is all of the cell.
            prices[k] = torch.where(counts[k] > 0, -edge, -limit)
    best = (value + prices[:, None]).argmax(0)
    return torch.where(places, best, -1)
