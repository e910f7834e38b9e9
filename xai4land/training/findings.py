"""What a training takes from its data before the first step, and its copy on disk."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.cache import choose_path, read_arrays, save_arrays
from xai4land.emulator.card import MapCard
from xai4land.heads.base import CountingHead
from xai4land.heads.make import make_head
from xai4land.progress import progress_bar
from xai4land.training.samples import Samples
from xai4land.training.split import Split, split_blocks
from xai4land.training.survey import Survey, survey
from xai4land.typing import Floats

__all__ = ["Findings", "find", "load_or_find", "pack", "unpack"]

FORMAT = 1
"""Of the copies on disk: another number when what is found, or how, changes."""
BLOCK_CELLS = 30
"""Side of a block of the split, in coarse cells (as AI4Land's)."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What a training takes from its data before the first step.

    Attributes
    ----------
    card : MapCard
        With statistics and class shares of the training blocks.
    sides : list of tuple of Split
        Training and validation blocks of each region.
    counts : list of tuple of ndarray
        How much can be learned in each tile of them.
    """

    card: MapCard
    sides: list[tuple[Split, Split]]
    counts: list[tuple[Floats, Floats]]


def find(
    samples: Sequence[Samples],
    blocks: Sequence[float],
    share: float,
    seed: int,
    *,
    measure: Callable[[MapCard, Sequence[Split]], MapCard] | None,
    workers: int,
    progress: bool,
) -> Findings:
    """Read the truth once, and find all that follows from it.

    It is read again only for heads that do not learn from counts.

    Parameters
    ----------
    samples : sequence of Samples
        Of each region, in no split.
    blocks : sequence of float
        Side of the blocks of each region, in degrees.
    share, seed
        See :func:`xai4land.training.split.split_blocks`.
    measure : callable, optional
        Returns the card with statistics of its inputs; without, the card stays as it is.
    workers : int
    progress : bool

    Raises
    ------
    InputError
        If there is too little truth.
    """
    card, head = samples[0].card, samples[0].head
    counting = isinstance(head, CountingHead)
    early = measure is None or counting
    count = head.count if counting and measure else None  # type: ignore[attr-defined]
    with _surveys(samples, workers, progress) as look:
        surveys = look("truth", samples, blocks, count, early)
        sides = [
            split_blocks(found.blocks, part.truth.target.spacings[0], degrees, share, seed)
            for found, part, degrees in zip(surveys, samples, blocks, strict=True)
        ]
        if measure is not None:
            training = [side for side, _ in sides]
            card = measure(card, training)
            outputs = _learn(head, samples, surveys, training)
            card = card.with_(outputs=outputs.model_dump())
        if not early:
            learned = [replace(part, card=card, head=make_head(card)) for part in samples]
            degrees = [side.degrees for side, _ in sides]
            surveys = look("what can be learned", learned, degrees, None, True)
    counts = [
        (found.sum_tiles(one, part.tiles), found.sum_tiles(other, part.tiles))
        for found, part, (one, other) in zip(surveys, samples, sides, strict=True)
    ]
    return Findings(card, sides, counts)


def _learn(
    head: Any, samples: Sequence[Samples], surveys: Sequence[Survey], training: Sequence[Split]
) -> Any:
    """Return the outputs that a head learns from the training blocks."""
    pairs = list(zip(samples, surveys, training, strict=True))
    if isinstance(head, CountingHead):
        counts = [c for _, found, split in pairs for c in found.counts_within(split)]
        if counts:
            return head.learn_from(sum(counts[1:], counts[0]))
    known = ((part.truth.within(split), part.truth.pieces()) for part, _, split in pairs)
    return head.learn(truth.read(*place) for truth, places in known for place in places)


Look = Callable[..., list[Survey]]


@contextmanager
def _surveys(samples: Sequence[Samples], workers: int, progress: bool) -> Iterator[Look]:
    """Give a function that reads the truth of all regions, with a progress bar."""
    total = sum(len(part.truth.pieces(part.piece)) for part in samples)
    with progress_bar(progress) as bar:

        def look(
            what: str,
            parts: Sequence[Samples],
            degrees: Sequence[float],
            count: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None,
            useful: bool,
        ) -> list[Survey]:
            task = bar.add_task(what, total=total, note="")
            return [
                survey(
                    part.truth,
                    side,
                    count=count,
                    usefulness=part.undecided if useful else None,
                    piece=part.piece,
                    time_first=useful and not part.coarse_stays,
                    step=part.step,
                    workers=workers,
                    advance=lambda: bar.advance(task),
                )
                for part, side in zip(parts, degrees, strict=True)
            ]

        yield look


def load_or_find(key: str | None, card: MapCard, make: Callable[[], Findings]) -> Findings:
    """Return findings as an earlier training had them, or make them and store a copy.

    Parameters
    ----------
    key : str or None
        What tells the data from any other; without it nothing is stored.
    card : MapCard
        Before anything was measured.
    make : callable
    """
    if key is None:
        return make()
    about = json.dumps([FORMAT, key, card.model_dump(mode="json")], sort_keys=True)
    path = choose_path("training", about)
    if (arrays := read_arrays(path)) is not None:
        return unpack(arrays["content"].tobytes(), card)
    found = make()
    save_arrays(path, {"content": np.frombuffer(pack(found), np.uint8)})
    return found


def pack(found: Findings) -> bytes:
    """Return findings as bytes."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    facts: dict[str, Any] = {"card": found.card.model_dump(mode="json"), "degrees": []}
    for number, (sides, counts) in enumerate(zip(found.sides, found.counts, strict=True)):
        facts["degrees"].append(sides[0].degrees)
        for side, split, values in zip("tv", sides, counts, strict=True):
            short = values.astype(np.float32)
            arrays[f"{number}{side}counts"] = short if (short == values).all() else values
            arrays[f"{number}{side}held"] = split.held
            arrays[f"{number}{side}blocks"] = split.blocks
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def unpack(content: bytes, card: MapCard) -> Findings:
    """Return findings from their bytes, with a card of the same kind as one."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        facts = json.loads(file["facts"].tobytes())
        sides, counts = [], []
        for number, degrees in enumerate(facts["degrees"]):
            splits = [
                Split(degrees, file[f"{number}{s}held"], file[f"{number}{s}blocks"], s == "v")
                for s in "tv"
            ]
            sides.append((splits[0], splits[1]))
            both = [file[f"{number}{s}counts"].astype(np.float64) for s in "tv"]
            counts.append((both[0], both[1]))
        return Findings(type(card).model_validate(facts["card"]), sides, counts)
