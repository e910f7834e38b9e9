"""How an emulator of change is described: its outputs and inputs, from the pairs it learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xai4land.emulator import Changes, OutputClass
from xai4land.emulator.outputs import PRIOR_SUFFIX
from xai4land.training.regions import Region
from xai4land_land.change.rollout import STEP_YEARS

__all__ = ["change_inputs", "change_parameters", "describe_changes"]

NETWORK = {"embedding": 8, "direct": True}
"""What a U-Net needs to learn change: the class of the prior map, and how much its cell demands,
which is alike in much of a window and lost where that is normalised."""


def describe_changes(classes: Sequence[OutputClass], pairs: Sequence[tuple[int, int]]) -> Changes:
    """Return the outputs of an emulator that learns from pairs of years.

    Parameters
    ----------
    classes : sequence of OutputClass
    pairs : sequence of tuple of int
        Year of the prior map, and of the map.

    Examples
    --------
    >>> classes = [OutputClass(value=k, name=n) for k, n in enumerate(("open", "forest"))]
    >>> outputs = describe_changes(classes, [(2009, 2012), (2001, 2015)])
    >>> outputs.steps, outputs.backward
    ((3, 14), False)
    """
    lengths = [abs(last - first) for first, last in pairs]
    return Changes(
        classes=tuple(classes),
        steps=(min(lengths, default=1), max(lengths, default=1)),
        backward=any(last < first for first, last in pairs),
    )


def change_inputs(region: Region, outputs: Changes, inputs: Sequence[str] | None) -> list[str]:
    """Return the inputs of an emulator of change beside the states: all, or those that are wanted.

    Numbers that change with time come with those of the prior map's date.
    """
    names = [str(n) for n in region.data.data_vars] if inputs is None else list(inputs)
    before = [f"{n}{PRIOR_SUFFIX}" for n in names if f"{n}{PRIOR_SUFFIX}" in region.data]
    static = [] if region.static is None or inputs is not None else list(region.static.data_vars)
    fixed = [outputs.prior, STEP_YEARS, *map(str, static)]
    return list(dict.fromkeys([*names, *before, *fixed]))


def change_parameters(architecture: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the parameters of a network of change: those that are wanted, and what a U-Net needs.

    Examples
    --------
    >>> change_parameters("unet", {"widths": [8, 16]})
    {'embedding': 8, 'direct': True, 'widths': [8, 16]}
    """
    needed = NETWORK if architecture == "unet" else {}
    return {**needed, **(parameters or {})}
