"""Pixels of many windows in random order, for networks that see each pixel alone.

The pixels of a window are much alike: of one step, and under the same few coarse cells. A batch of
pixels from many windows tells more than one of as many pixels from a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from xai4land.heads.base import Head, TrainingWindow
from xai4land.training.samples import Corner, Sample
from xai4land.windows.cells import Cells
from xai4land.windows.features import Features

__all__ = ["count_mixed", "mix_pixels", "sees_pixels_alone"]

MIXED_BYTES = 2**27
"""Of the batches whose pixels are mixed, at most."""
NO_CELLS = Cells(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0))

Window = tuple[Corner, Sample]


def sees_pixels_alone(architecture: object, head: Head) -> bool:
    """Return whether neither a network nor the loss of its head needs a pixel's neighbours."""
    return bool(getattr(architecture, "pixelwise", False) and getattr(head, "pixelwise", False))


def count_mixed(batch_bytes: int) -> int:
    """Return how many batches are mixed, from the bytes of one.

    Examples
    --------
    >>> count_mixed(2**22)
    32
    """
    return max(MIXED_BYTES // batch_bytes, 1)


def mix_pixels(
    batches: Iterable[Sequence[Window]],
    together: int,
    parts: int,
    missing: float,
    seed: Sequence[int],
) -> Iterator[list[Window]]:
    """Give as many batches, of windows with one row, of the known pixels in a random order.

    Parameters
    ----------
    batches : iterable of sequence of (Corner, Sample)
        Windows; batches of none give none.
    together : int
        Batches that are mixed with each other.
    parts : int
        Windows of one row in each batch.
    missing : float
        What stands for an unknown truth.
    seed : sequence of int
        Of the order.

    Yields
    ------
    list of (Corner, Sample)
        Their corner is that of the first of the windows that their pixels may come from.
    """
    held: list[list[Window]] = []
    number = 0
    for batch in batches:
        held.append([(corner, _known_pixels(sample, missing)) for corner, sample in batch])
        if len(held) == together:
            yield from _mix(held, parts, np.random.default_rng([*seed, number]))
            held, number = [], number + 1
    yield from _mix(held, parts, np.random.default_rng([*seed, number]))


def _known_pixels(sample: Sample, missing: float) -> Sample:
    """Return the pixels of a window whose truth is known, as a window with one row."""
    truth = sample.window.truth
    known = (truth.isfinite() if np.isnan(missing) else truth != missing).any(0).flatten()
    return _pick(sample, known.nonzero()[:, 0])


def _pick(sample: Sample, at: torch.Tensor) -> Sample:
    """Return some pixels, by their numbers, as a window with one row."""

    def pick(values: torch.Tensor) -> torch.Tensor:
        return values.flatten(-2)[..., at].unsqueeze(-2)

    window = TrainingWindow(NO_CELLS, pick(sample.window.truth), pick(sample.window.area))
    return Sample(Features(*(pick(part) for part in sample.features)), window)


def _mix(
    batches: Sequence[Sequence[Window]], parts: int, rng: np.random.Generator
) -> Iterator[list[Window]]:
    windows = [window for batch in batches for window in batch]
    if not windows:
        yield from ([] for _ in batches)
        return
    samples = [sample for _, sample in windows]
    layers = [(*s.features, s.window.truth, s.window.area) for s in samples]
    *features, truth, area = (torch.cat(rows, -1) for rows in zip(*layers, strict=True))
    joined = Sample(Features(*features), TrainingWindow(NO_CELLS, truth, area))
    order = torch.from_numpy(rng.permutation(area.shape[-1]))
    for at in order.tensor_split(len(batches)):
        yield [(windows[0][0], _pick(joined, part)) for part in at.tensor_split(parts)]
