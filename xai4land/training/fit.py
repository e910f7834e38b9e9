"""From a user's data and truth to a trained emulator of maps, whatever its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import ValidationError

from xai4land.emulator.card import MapCard, Resolution
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.inputs import Bound, Layer, bind, check_static
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.heads.make import make_head
from xai4land.settings import resolve_settings
from xai4land.training.inputs import describe_inputs, measure_input
from xai4land.training.maps import train
from xai4land.training.samples import Samples
from xai4land.training.settings import MapSettings
from xai4land.training.split import split_blocks
from xai4land.training.truth import Truth, new_cache
from xai4land.windows.sources import Sources

if TYPE_CHECKING:
    from xai4land.emulator.outputs import Outputs

__all__ = ["fit_maps"]

BLOCK_CELLS = 30
"""Side of a block of the split, in coarse cells (as AI4Land's)."""


def fit_maps(
    data: xr.Dataset,
    truth: Sequence[xr.DataArray],
    outputs: Outputs,
    *,
    static: xr.Dataset | None = None,
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
    data : Dataset
        The inputs, each on its own grid.
    truth : sequence of DataArray
        What is to be learned, (time,) rows, columns of the target grid, as the head of ``outputs``
        encodes it: one array of positions (uint8, 255 where unknown), or one array a variable (NaN
        where unknown). Its steps are those of the inputs.
    outputs : Outputs
        What the emulator gives, such as :class:`xai4land.emulator.Numbers`.
    static : Dataset, optional
        More inputs.
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
    ...     planet[["primf"]], [height], numbers, window=32, progress=False,
    ...     parameters={"widths": [8, 16]}, settings={"epochs": 1, "steps": 1, "batch_size": 1})
    >>> emulator.card.gives
    'height (m)'
    """
    check_static(static)
    chosen = resolve_settings(MapSettings, settings)
    layers = describe_inputs(data, static, outputs, inputs)
    target = Grid.of(truth[0], "the truth")
    coarse = _coarse_grid(layers, outputs)
    card = make_card(
        kind,
        name=name,
        title=title,
        architecture={"name": architecture, "parameters": parameters or {}},
        inputs=tuple(layer.spec for layer in layers),
        outputs=outputs,
        resolution=Resolution(target=target.resolution, states=coarse.resolution),
        window=_window(window, coarse, target),
        licence=licence,
    )
    bound = bind(card, data, static, truth[0])
    known = Truth.of(truth, bound.target, make_head(card).missing_truth)
    sides = split_blocks(
        known.blocks,
        bound.target.spacings[0],
        BLOCK_CELLS * bound.coarse.resolution,
        validation,
        chosen.seed,
    )
    card = _measure(card, bound, known.within(sides[0]))
    card = card.with_(
        training={
            "data": training_data or "untitled data",
            "command": command,
            "blocks": f"{sides[0].degrees:g} degrees",
            "validation": validation,
        }
    )
    head, sources, cache = make_head(card), Sources.of(card, bound), new_cache()
    learned, held = (Samples(card, head, sources, known.within(side), cache) for side in sides)
    # A mirrored slope faces another way.
    mirrored = not any("aspect" in spec.name for spec in card.inputs)
    return train(
        kind, card, learned, held, chosen, mirrored=mirrored, device=device, progress=progress
    )


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


def _measure(card: MapCard, bound: Bound, training: Truth) -> MapCard:
    """Return the card with what its inputs and outputs take from the training blocks."""
    assert training.split is not None
    specs = [measure_input(layer, training.split) for layer in bound.layers]
    values = (training.read(*piece) for piece in training.pieces())
    outputs = make_head(card).learn(values)
    return card.with_(inputs=[spec.model_dump() for spec in specs], outputs=outputs.model_dump())


def _coarse_grid(layers: Sequence[Layer], outputs: Outputs) -> Grid:
    """Return the grid of the coarse inputs, or of the first input where there are none."""
    coarse = [layer.grid for layer in layers if layer.spec.name in outputs.coarse_inputs]
    return (coarse or [layer.grid for layer in layers])[0]


def _window(window: int | None, coarse: Grid, target: Grid) -> dict[str, int]:
    ratio = max(round(coarse.resolution / target.resolution), 1)
    size = window or int(np.clip(32 * ratio, 32, 160))
    return {"size": size, "overlap": size // 5}
