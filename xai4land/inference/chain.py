"""Maps that follow from each other: each step's map is the prior map of the next."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import dask.array as da
import numpy as np
import torch
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xai4land.cluster import STACKED, STEPS
from xai4land.device import download
from xai4land.heads.base import CarryingHead
from xai4land.inference.blocks import run_block
from xai4land.inference.layout import BlockIndex
from xai4land.inference.plan import Plan
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Chunking, HeldChunks
from xai4land.windows.features import Pixels

__all__ = ["find_prior_blocks", "run_first_block", "run_next_block", "stack_chains"]


def find_prior_blocks(plan: Plan, index: BlockIndex) -> list[BlockIndex]:
    """Find the blocks of the step before that a block is made from: itself, and those around it."""
    part = plan.layout.screening_box(index)
    spans = plan.sources.needed(plan.layout.target, part)
    chunking = _chunking(plan)
    rows, columns = (chunking.find_chunks_along(dim, span) for dim, span in enumerate(spans))
    return [BlockIndex(place) for place in itertools.product(rows, columns)]


def run_first_block(
    plan: Plan, cache: ResultCache, time: int, index: BlockIndex
) -> dict[str, np.ndarray]:
    """Return the outputs of a block at the prior map's own step: the map itself."""
    box, target = plan.layout.box(index), plan.layout.target
    (stack,) = plan.sources.read(plan.card.outputs.fine_inputs, box, time, cache)
    head = cast(CarryingHead, plan.head)
    rows, columns = (np.arange(*span) for span in box)
    with torch.inference_mode():
        fields = head.repeat(stack, Pixels.of(target, rows, columns))
    flip = [-2] if target.ascending else []
    return {name: download(v.flip(flip) if flip else v) for name, v in fields.items()}


def run_next_block(plan: Plan, cache: ResultCache, *rest: Any) -> dict[str, np.ndarray]:
    """Compute a block of a later step; see :func:`xai4land.inference.blocks.run_block`.

    Parameters
    ----------
    plan : Plan
    cache : ResultCache
    *rest
        The carried output of the blocks of the step before that are needed, shape (1, rows,
        columns) each; the step; the block's index; and the indices of these blocks.
    """
    *maps, time, index, places = rest
    chunks = {place: values[0] for place, values in zip(places, maps, strict=True)}
    return run_block(plan, cache, time, index, HeldChunks(_chunking(plan), chunks))


def _chunking(plan: Plan) -> Chunking:
    return Chunking(plan.layout.target, plan.layout.sizes)


def stack_chains(arrays: Sequence[da.Array]) -> da.Array:
    """Stack arrays that were made step by step along a new second dimension, as such an array.

    Parameters
    ----------
    arrays : sequence of dask array, shape (time, ...)
        The same output of several runs; other arrays are stacked, too.

    Examples
    --------
    >>> stack_chains([da.zeros((2, 3)), da.ones((2, 3))]).compute()[1]
    array([[0., 0., 0.],
           [1., 1., 1.]])
    """
    stacked: da.Array = da.stack(arrays, axis=1)
    marks = [getattr(a.dask.layers[a.name], "collection_annotations", None) or {} for a in arrays]
    if any(STEPS not in mark for mark in marks):
        return stacked
    about = {STEPS: marks[0][STEPS], STACKED: tuple(array.name for array in arrays)}
    layers = {**stacked.dask.layers}
    layers[stacked.name] = MaterializedLayer(
        dict(layers[stacked.name]), collection_annotations=about
    )
    graph = HighLevelGraph(layers, stacked.dask.dependencies)
    return da.Array(graph, stacked.name, stacked.chunks, meta=stacked)
