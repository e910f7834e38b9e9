"""The data of a training: regions with their inputs bound to a card, read through one cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr
from dask.base import tokenize

from xai4land.emulator.card import MapCard
from xai4land.emulator.inputs import Bound, bind
from xai4land.heads.make import make_head
from xai4land.training.distributed import World
from xai4land.training.findings import BLOCK_CELLS, Findings, find, load_or_find, pack, unpack
from xai4land.training.order import WAITING_SHARE
from xai4land.training.regions import Region, Regions
from xai4land.training.samples import Samples
from xai4land.training.settings import MapSettings
from xai4land.training.split import Split
from xai4land.training.stores import Stores, identify
from xai4land.training.truth import Truth, new_cache
from xai4land.typing import Booleans
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Reader
from xai4land.windows.sources import Sources

__all__ = ["TrainingData"]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Regions with their inputs bound to a card.

    Attributes
    ----------
    regions : sequence of Region
    bounds : list of Bound
        Inputs and target of each.
    samples : list of Samples
        Windows of each, in no split.
    stores : Stores
        What all of these are read from.
    """

    regions: Sequence[Region]
    bounds: list[Bound]
    samples: list[Samples]
    stores: Stores

    @classmethod
    def of(cls, card: MapCard, regions: Sequence[Region], settings: MapSettings) -> TrainingData:
        """Bind the inputs of regions to a card; nothing is read.

        Raises
        ------
        InputError
            If they do not fit.
        """
        cache = new_cache(int(settings.cache_bytes * (1 - WAITING_SHARE)))
        head = make_head(card)
        bounds = [bind(card, r.data, r.static, r.truth[0]) for r in regions]
        samples = [
            Samples(
                card,
                head,
                Sources.of(card, bound, share_reads=True),
                Truth.of(region.truth, bound.target, head.missing_truth, cache),
                cache,
                settings.mask,
            )
            for region, bound in zip(regions, bounds, strict=True)
        ]
        return cls(regions, bounds, samples, Stores.of(_arrays(regions, bounds)))

    @property
    def cache(self) -> ResultCache:
        """Return the cache that all is read through."""
        return self.samples[0].cache

    def training_readers(self, name: str) -> list[Reader]:
        """Return what reads an input in each region, without the steps that are held back."""
        found = [part.sources.readers[name] for part in self.samples]
        steps = self._known_steps(False)
        return [
            reader if known.all() or not reader.timed else Reader(reader.data[known], *about)
            for reader, known in zip(found, steps, strict=True)
            if isinstance(reader, Reader) and (about := (reader.chunking.grid, reader.kind))
        ]

    def find(
        self,
        validation: float,
        settings: MapSettings,
        measure: Callable[[MapCard, Sequence[Split]], MapCard] | None,
        world: World,
        progress: bool,
    ) -> Findings:
        """Find splits, statistics, class shares and where there is something to learn.

        What an earlier training found in the same data is taken from the cache folder. Of several
        processes the first one looks, and tells the others.
        """
        card = self.samples[0].card

        def look() -> Findings:
            return self._find(validation, settings, measure, progress and world.rank == 0)

        if world.size == 1:
            return look()
        return unpack(world.share(lambda: pack(look())), card)

    def _find(
        self,
        validation: float,
        settings: MapSettings,
        measure: Callable[[MapCard, Sequence[Split]], MapCard] | None,
        progress: bool,
    ) -> Findings:
        card = self.samples[0].card
        content = identify(_arrays(self.regions, self.bounds), self.stores)
        key = content and str(tokenize(content, validation, settings.seed, measure is None))
        found = load_or_find(
            key,
            card,
            lambda: find(
                self.samples,
                [BLOCK_CELLS * bound.coarse.resolution for bound in self.bounds],
                validation,
                settings.seed,
                measure=measure,
                workers=settings.workers,
                progress=progress,
            ),
        )
        self.stores.check()
        return found

    def _known_steps(self, validation: bool) -> list[Booleans]:
        """Return which steps of each region a side of the split has."""
        times = [part.truth.times for part in self.samples]
        return [r.known_steps(n, validation) for r, n in zip(self.regions, times, strict=True)]

    def make_regions(self, card: MapCard, found: Findings, side: int) -> Regions:
        """Return the windows of one side of the split of each region."""
        head = make_head(card)
        return Regions(
            [
                Samples(
                    card,
                    head,
                    Sources.of(card, bound, share_reads=True),
                    part.truth.within(sides[side]),
                    part.cache,
                    part.mask,
                    counts[side] * steps[:, None, None],
                )
                for part, bound, sides, counts, steps in zip(
                    self.samples,
                    self.bounds,
                    found.sides,
                    found.counts,
                    self._known_steps(bool(side)),
                    strict=True,
                )
            ],
            [region.weight for region in self.regions],
            self.stores,
        )


def _arrays(regions: Sequence[Region], bounds: Sequence[Bound]) -> list[xr.DataArray]:
    """Return all arrays that are read."""
    truths = [array for region in regions for array in region.truth]
    return [*truths, *(layer.data for bound in bounds for layer in bound.layers)]
