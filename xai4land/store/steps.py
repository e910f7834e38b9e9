"""The order in which a store is filled: step by step, where steps need one another.

Maps of years that follow each other would be one graph of all years. Here each step has a graph of
its own, in which what earlier steps have made is read from the unfinished store.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import dask.array as da
import xarray as xr
from dask.highlevelgraph import HighLevelGraph

from xai4land.adapters.dask import find_needed_keys, select_tasks
from xai4land.store.chains import Chain, find_chains
from xai4land.store.parts import Part, list_lazy_names

__all__ = ["split_into_steps"]

ReadTask = Callable[[str, tuple[slice, ...]], Any]
"""Makes the task that reads a region of a variable from the unfinished store."""


def split_into_steps(
    stored: xr.Dataset, parts: Sequence[Part], make_read_task: ReadTask
) -> Iterator[tuple[dict[str, da.Array], list[Part]]]:
    """Split what is left into steps, each with the graph that makes it.

    A dataset without steps is one step. Of several chains, one is written after the other. All
    else is written in the first step that it can be made in: with the chunks that come from the
    same tasks, and when all chunks of chains that it needs are there.

    Parameters
    ----------
    stored : Dataset
        As it was encoded for the store.
    parts : sequence of Part
        What is left; all else is in the store.
    make_read_task : callable

    Yields
    ------
    arrays : dict of dask array
        By variable; they hold the tasks of the step's parts alone.
    parts : list of Part
        To be written before the next step is asked for.
    """
    arrays = {name: stored.variables[name].data for name in list_lazy_names(stored)}
    if not (chains := find_chains(stored)):
        yield arrays, list(parts)
        return
    plan = _Plan(arrays, chains, make_read_task)
    for number, some in sorted(plan.number_parts(parts).items()):
        yield plan.make_arrays(number, some), some


class _Plan:
    """Steps of all chains, numbered in the order in which they are written."""

    def __init__(
        self, arrays: dict[str, da.Array], chains: list[Chain], make_read_task: ReadTask
    ) -> None:
        self.arrays, self.make_read_task = arrays, make_read_task
        self.chains = {chain.array.name: chain for chain in chains}
        self.stacked = {
            name: (chain.array.name, k) for chain in chains for k, name in enumerate(chain.stacked)
        }
        steps = [(name, k) for name, chain in self.chains.items() for k in chain.order]
        self.numbers = {step: number for number, step in enumerate(steps)}
        self.graph = HighLevelGraph.merge(*(array.dask for array in arrays.values()))

    def number_parts(self, parts: Sequence[Part]) -> dict[int, list[Part]]:
        """Return the parts of each step, by its number."""
        together: dict[tuple[str, int], list[Part]] = defaultdict(list)
        for part in parts:
            together[part.variable, self._own_number(part)].append(part)
        numbers = {
            (variable, own): max(self._list_needed(variable, some), default=own)
            for (variable, own), some in together.items()
        }
        steps: dict[int, list[Part]] = defaultdict(list)
        for part in parts:  # in their order
            steps[numbers[part.variable, self._own_number(part)]].append(part)
        return steps

    def _own_number(self, part: Part) -> int:
        """Return the last step at the same place in time, of the chains that a part may need."""
        array = self.arrays[part.variable]
        related = [
            chain
            for name, chain in self.chains.items()
            if any(own in array.dask.layers for own in (name, *chain.stacked))
        ]
        numbers = [0]
        for chain in related or list(self.chains.values())[:1]:
            if chain.dim in part.dims:
                axis = part.dims.index(chain.dim)
                if array.chunks[axis] == chain.array.chunks[0]:
                    numbers.append(self.numbers[chain.array.name, part.blocks[axis].start])
        return max(numbers)

    def _list_needed(self, variable: str, parts: list[Part]) -> set[int]:
        """List the steps that other variables than the chains' need."""
        name = self.arrays[variable].name
        if name in self.chains:
            return set()
        found = find_needed_keys(self.graph, _list_keys(name, parts), self._is_of_chain)
        needed = set(_flatten(found.values()))
        # Some need the tasks that make a chunk, not the chunk.
        made = {self._makers[key] for key in needed & self._makers.keys()}
        return made | {self._number(key) for key in filter(self._is_of_chain, needed)}

    @cached_property
    def _makers(self) -> dict[Any, int]:
        """The tasks that the chunks of chains are taken from, with the step of these."""
        found: dict[Any, int] = {}
        for (name, k), number in self.numbers.items():
            blocks = (range(n) for n in self.chains[name].array.numblocks[1:])
            keys = {(name, k, *at) for at in itertools.product(*blocks)}
            if stacked := self.chains[name].stacked:
                keys |= {(stacked[m], k, *at) for _, k, m, *at in keys}
            made = find_needed_keys(self.graph, keys, partial(_is_other, keys))
            for key in set(_flatten(made.values())) - keys:
                if not self._is_of_chain(key):
                    found.setdefault(key, number)
        return found

    def _find_chunk(self, key: Any) -> Any:
        """Return the chunk of a chain that a task makes; None if it makes none."""
        if not isinstance(key, tuple):
            return None
        if key[0] in self.stacked:
            name, k = self.stacked[key[0]]
            key = (name, key[1], k, *key[2:])
        return key if key[:2] in self.numbers else None

    def _is_of_chain(self, key: Any) -> bool:
        """Tell whether a task makes a chunk of a chain."""
        return self._find_chunk(key) is not None

    def _number(self, key: Any) -> int:
        """Return the step of a chain's chunk."""
        return self.numbers[self._find_chunk(key)[:2]]

    def make_arrays(self, number: int, parts: list[Part]) -> dict[str, da.Array]:
        """Make the arrays of a step: chunks of chains that are in the store are read."""
        names = {part.variable: self.arrays[part.variable].name for part in parts}
        keys = {key for part in parts for key in _list_keys(names[part.variable], [part])}

        def is_stored(key: Any) -> bool:
            # Of this step, what is no part was written before the run was killed.
            chunk = self._find_chunk(key)
            return chunk is not None and chunk not in keys and self._number(key) <= number

        needed = find_needed_keys(self.graph, keys, is_stored)
        read = {key: self._read(key) for key in filter(is_stored, _flatten(needed.values()))}
        graph = select_tasks(self.graph, needed, read)
        return {
            variable: da.Array(
                graph, name, self.arrays[variable].chunks, meta=self.arrays[variable]
            )
            for variable, name in names.items()
        }

    def _read(self, key: Any) -> Any:
        chunk = self._find_chunk(key)
        chain = self.chains[chunk[0]]
        task = self.make_read_task(chain.variable, chain.region(chunk[1:]))
        return task if key == chunk else (_drop_second, task)


def _drop_second(values: Any) -> Any:
    """Return a chunk of a stack as the array that it was taken from has it."""
    return values[:, 0]


_flatten = itertools.chain.from_iterable


def _is_other(keys: set[Any], key: Any) -> bool:
    return key not in keys


def _list_keys(name: str, parts: Sequence[Part]) -> set[Any]:
    return {(name, *at) for part in parts for at in itertools.product(*part.blocks)}
