"""Holes in prior maps: what an emulator of changes must cope with, made at random in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from xai4land.training.settings import MaskShape
from xai4land.typing import Booleans
from xai4land.windows.fields import Stack

__all__ = ["mask_prior"]

BLOCK_PIXELS = 16
"""Rows and columns of the blocks that are masked."""


def mask_prior(stacks: Sequence[Stack], shape: MaskShape, rng: np.random.Generator) -> list[Stack]:
    """Mask a part of the prior map of a window.

    Parameters
    ----------
    stacks : sequence of Stack
    shape : {"mixed", "pixels", "blocks", "windows"}
        A share of the pixels, or of blocks of 16 x 16, between none and all of them; the whole
        window; or one of these at random.
    rng : Generator

    Returns
    -------
    list of Stack
        The prior map is a copy.
    """
    chosen = rng.choice(["pixels", "blocks", "windows"]) if shape == "mixed" else shape
    share = 1.0 if chosen == "windows" else float(rng.random())
    return [
        _mask(stack, draw_holes(stack.values.shape[-2:], str(chosen), share, rng))
        if any(spec.role == "prior" for spec in stack.specs)
        else stack
        for stack in stacks
    ]


def draw_holes(size: Sequence[int], shape: str, share: float, rng: np.random.Generator) -> Booleans:
    """Draw which pixels are masked, shape (rows, columns)."""
    height, width = size
    if shape != "blocks":
        return rng.random((height, width)) < share
    blocks = rng.random((-(-height // BLOCK_PIXELS), -(-width // BLOCK_PIXELS))) < share
    spread = np.repeat(np.repeat(blocks, BLOCK_PIXELS, 0), BLOCK_PIXELS, 1)
    return np.asarray(spread[:height, :width])


def _mask(stack: Stack, holes: Booleans) -> Stack:
    prior = torch.tensor([spec.role == "prior" for spec in stack.specs])[:, None, None]
    return replace(stack, values=torch.where(prior & torch.from_numpy(holes), 0, stack.values))
