"""Maps of steps that follow each other, as graphs made by hand, and the same in plain numpy."""

from __future__ import annotations

import itertools

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xai4land.cluster import NEIGHBOURS, STEPS

DIMS = ("time", "y", "x")
SIDE = 4
"""Rows and columns of a block."""


def step(t, before):
    """Make the map of a step from the one before, with a halo of one pixel; 255 in one corner."""
    around = np.pad(before.astype(int), 1)
    rows, columns = before.shape
    total = sum(around[i : i + rows, j : j + columns] for i, j in np.ndindex(3, 3))
    made = ((total + before + t) % 251).astype("u1")
    made[:SIDE, :SIDE] = 255  # a block of gaps alone, which is no file in a store
    return made


def first_map(shape):
    return step(0, np.arange(np.prod(shape)).reshape(shape) % 7)


def make_maps(order, shape):
    """Make all maps in plain numpy, in order of time."""
    maps = np.empty((len(order), *shape), "u1")
    before = None
    for t in order:
        maps[t] = before = first_map(shape) if before is None else step(t, before)
    return maps


def make_chain(name, order, blocks=(3, 4), on_block=lambda *_: None):
    """Make the carried array and, from the same tasks, how sure it is: ``on_block`` is told."""
    shape = tuple(SIDE * n for n in blocks)

    def run(t, at, around):
        on_block(name, t, *at)
        made = first_map(shape) if around is None else step(t, place(around, shape))
        inside = tuple(slice(SIDE * k, SIDE * k + SIDE) for k in at)
        return {"map": made[inside], "sure": made[inside] / 251}

    task, sure = f"{name}-block", f"{name}-sure"
    tasks, shares = {}, {}
    for k, t in enumerate(order):
        for i, j in np.ndindex(*blocks):
            near = itertools.product(
                *(
                    range(max(n - 1, 0), min(n + 2, most))
                    for n, most in zip((i, j), blocks, strict=True)
                )
            )
            before = None if k == 0 else [[at, (name, order[k - 1], *at)] for at in map(list, near)]
            tasks[task, t, i, j] = (run, t, [i, j], before)
            tasks[name, t, i, j] = (select, (task, t, i, j), "map")
            shares[sure, t, i, j] = (select, (task, t, i, j), "sure")
    marks = {NEIGHBOURS: (1, 2, 3), STEPS: tuple(order)}
    layers = {name: MaterializedLayer(tasks, collection_annotations=marks), sure: shares}
    graph = HighLevelGraph(layers, {name: set(), sure: {name}})
    chunks = ((1,) * len(order), *((SIDE,) * n for n in blocks))
    return da.Array(graph, name, chunks, "u1"), da.Array(graph, sure, chunks, "f8")


def select(fields, name):
    return fields[name][np.newaxis]


def place(around, shape):
    """Place the blocks that a task is given on a whole map."""
    whole = np.zeros(shape, "u1")
    for (i, j), block in around:
        whole[SIDE * i : SIDE * i + SIDE, SIDE * j : SIDE * j + SIDE] = block[0]
    return whole
