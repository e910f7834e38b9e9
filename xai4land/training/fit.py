"""From a user's data and truth to a trained emulator of maps, whatever its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from xai4land.device import choose_device
from xai4land.emulator.build import find_architecture
from xai4land.emulator.card import Input, MapCard, Resolution
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.inputs import Layer, check_static
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.settings import resolve_settings
from xai4land.training.data import TrainingData
from xai4land.training.distributed import join_world
from xai4land.training.inputs import describe_inputs, measure_input
from xai4land.training.maps import train
from xai4land.training.regions import Region
from xai4land.training.settings import MapSettings
from xai4land.training.split import Split

if TYPE_CHECKING:
    from xai4land.emulator.outputs import Outputs

__all__ = ["fit_maps", "train_on"]


def fit_maps(
    regions: Region | Sequence[Region],
    outputs: Outputs,
    *,
    inputs: Sequence[str] | None = None,
    name: str = "my-emulator",
    title: str = "",
    licence: str = "",
    command: str = "",
    training_data: str = "",
    architecture: str = "unet",
    parameters: dict[str, Any] | None = None,
    window: int | None = None,
    validation: float = 0.15,
    settings: MapSettings | Mapping[str, Any] | None = None,
    kind: type[Emulator] = Emulator,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Train an emulator of maps on data that may be larger than memory.

    Whole blocks of 30 x 30 coarse cells are held out for validation; statistics come from the
    training blocks only.

    Parameters
    ----------
    regions : Region or sequence of Region
        Inputs and truth; several regions may have grids of their own, and the same inputs.
    outputs : Outputs
        What the emulator gives, such as :class:`xai4land.emulator.Numbers`.
    inputs : sequence of str, optional
        Inputs beside those that ``outputs`` name; by default all that have a horizontal grid.
    name, title, licence, command, training_data : str
        For the card.
    architecture : str
        A registered architecture, built with ``parameters``.
    window : int, optional
        Pixels along a side of a window. By default 32 coarse cells, from 32 to 160 pixels.
    validation : float
        Share of the blocks that is held out.
    settings : MapSettings or dict, optional
    kind : type
        Class of the emulator, with a ``card_type`` whose outputs are these.
    device : str
    progress : bool

    Returns
    -------
    Emulator
        With the weights that were best on the validation blocks. Ctrl-C returns the best so far.

    Raises
    ------
    InputError
        Listing what does not fit together.

    Examples
    --------
    >>> import xai4land
    >>> from xai4land.emulator import Numbers, NumberVariable
    >>> planet = xai4land.sample("land", years=[2000])
    >>> height = planet.elevation.astype("float32")
    >>> height = height.expand_dims(time=planet.time).transpose("time", ...)
    >>> numbers = Numbers(
    ...     variables=[NumberVariable(name="height", units="m", valid_range=(-500, 9000))])
    >>> emulator = fit_maps(
    ...     Region(planet[["primf"]], [height]), numbers, window=32, progress=False,
    ...     parameters={"widths": [8, 16]}, settings={"epochs": 1, "steps": 1, "batch_size": 1})
    >>> emulator.card.gives
    'height (m)'
    """
    regions = [regions] if isinstance(regions, Region) else list(regions)
    for region in regions:
        check_static(region.static)
    chosen = resolve_settings(MapSettings, settings)
    world = join_world(choose_device(device))
    described = [describe_inputs(r.data, r.static, outputs, inputs, world) for r in regions]
    targets = [Grid.of(region.truth[0], "the truth") for region in regions]
    grids = [_coarse_grid(layers, outputs) for layers in described]
    card = make_card(
        kind,
        name=name,
        title=title,
        architecture={"name": architecture, "parameters": parameters or {}},
        inputs=_join_inputs(described),
        outputs=outputs,
        resolution=_resolution(targets, grids),
        window=_window(window, grids[0], targets[0]),
        licence=licence,
    )
    if getattr(find_architecture(card), "pixelwise", False):
        card = card.with_(window={"size": card.window.size, "overlap": 0})
    data = TrainingData.of(card, regions, chosen)

    def measure(card: MapCard, splits: Sequence[Split]) -> MapCard:
        specs = [layer.spec for layer in data.bounds[0].layers]
        measured = [
            measure_input(s, data.training_readers(s.name), splits, data.cache) for s in specs
        ]
        return card.with_(inputs=[spec.model_dump() for spec in measured])

    found = data.find(validation, chosen, measure, world, progress)
    card = found.card.with_(
        training={
            "data": training_data or "untitled data",
            "command": command,
            "blocks": ", ".join(f"{side.degrees:g} degrees" for side, _ in found.sides),
            "validation": validation,
        }
    )
    learned, held = (data.make_regions(card, found, side) for side in (0, 1))
    # Weights that gradients do not find, such as trees, are found by the architecture itself.
    trainer = getattr(find_architecture(card), "train_windows", train)
    return trainer(
        kind,
        card,
        learned,
        held,
        chosen,
        mirrored=_may_mirror(card),
        device=device,
        progress=progress,
    )


def train_on(
    emulator: Emulator,
    regions: Sequence[Region],
    *,
    settings: MapSettings | Mapping[str, Any] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Train an emulator further, from its weights and with the statistics of its card.

    Parameters
    ----------
    emulator : Emulator
        From :func:`fit_maps`.
    regions : sequence of Region
        With the inputs of its card. The same share of the blocks is held out.
    settings : MapSettings or dict, optional
        With the same seed, the same blocks of a region are.
    device : str
    progress : bool

    Returns
    -------
    Emulator
        With the weights that were best on the validation blocks of these regions.

    Raises
    ------
    InputError
        If inputs are missing, or nothing can be learned.
    """
    chosen = resolve_settings(MapSettings, settings)
    card = emulator.card
    if hasattr(find_architecture(card), "train_windows"):
        raise InputError(
            f"architecture {card.architecture.name!r} learns once and cannot be trained further; "
            "leave rollouts= out"
        )
    share = float(str(card.training["validation"]))
    data = TrainingData.of(card, regions, chosen)
    found = data.find(share, chosen, None, join_world(choose_device(device)), progress)
    learned, held = (data.make_regions(card, found, side) for side in (0, 1))
    return train(
        type(emulator),
        card,
        learned,
        held,
        chosen,
        weights=emulator.weights,
        mirrored=_may_mirror(card),
        device=device,
        progress=progress,
    )


def _may_mirror(card: MapCard) -> bool:
    """Return whether windows may be turned: a mirrored slope faces another way."""
    return not any("aspect" in spec.name for spec in card.inputs)


def _join_inputs(described: Sequence[Sequence[Layer]]) -> tuple[Input, ...]:
    """Return the inputs of all regions, with the codes of all.

    Raises
    ------
    InputError
        If a region lacks some.
    """
    names = list(dict.fromkeys(layer.spec.name for layers in described for layer in layers))
    by_name = [{layer.spec.name: layer.spec for layer in layers} for layers in described]
    InputError.raise_if(
        f"region {number} has no {', '.join(absent)}, which others have; give inputs="
        for number, specs in enumerate(by_name)
        if (absent := [name for name in names if name not in specs])
    )
    codes = {n: sorted({c for specs in by_name for c in specs[n].codes}) for n in names}
    first = by_name[0]
    return tuple(first[n].model_copy(update={"codes": tuple(codes[n])}) for n in names)


def _resolution(targets: Sequence[Grid], grids: Sequence[Grid]) -> Resolution:
    """Return the resolution, or the range of resolutions, of targets and of coarse grids."""
    fine, coarse = ([grid.resolution for grid in some] for some in (targets, grids))
    several = max(fine) > min(fine) * 1.001 or max(coarse) > min(coarse) * 1.001
    coarsest = (max(fine), max(coarse)) if several else None
    return Resolution(target=min(fine), states=min(coarse), coarsest=coarsest)


def make_card(kind: type[Emulator], **fields: Any) -> MapCard:
    """Make a card, or say what is wrong with the arguments that went into it.

    Raises
    ------
    InputError
    """
    try:
        card = kind.card_type(**fields)
    except ValidationError as error:
        raise InputError(
            f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']} (found {e['input']!r})"
            for e in error.errors()
        ) from error
    assert isinstance(card, MapCard)
    return card


def _coarse_grid(layers: Sequence[Layer], outputs: Outputs) -> Grid:
    """Return the grid of the coarse inputs, or of the first input where there are none."""
    coarse = [layer.grid for layer in layers if layer.spec.name in outputs.coarse_inputs]
    return (coarse or [layer.grid for layer in layers])[0]


def _window(window: int | None, coarse: Grid, target: Grid) -> dict[str, int]:
    ratio = max(round(coarse.resolution / target.resolution), 1)
    size = window or int(np.clip(32 * ratio, 32, 160))
    return {"size": size, "overlap": size // 5}
