"""Train an emulator of land cover on a user's states and truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import ValidationError

from xai4land.emulator import (
    Card,
    Emulator,
    Input,
    Resolution,
)
from xai4land.emulator.inputs import Bound, Layer, bind, check_static, find_layer, time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.legends import Legend, find_legend
from xai4land_land.truth import UNKNOWN, as_variable, match_years, recode

if TYPE_CHECKING:
    from xai4land.windows.fields import Stack

__all__ = ["fit"]

MOST_CODES = 64
BLOCK = 30
"""Side of a block of the split, in coarse cells (as AI4Land's)."""


def fit(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    *,
    static: xr.Dataset | None = None,
    legend: str | Legend | None = None,
    inputs: Sequence[str] | None = None,
    name: str = "my-landcover",
    title: str = "",
    licence: str = "",
    command: str = "",
    architecture: str = "unet",
    parameters: dict[str, Any] | None = None,
    window: int | None = None,
    conserve: bool = True,
    epochs: int = 20,
    steps: int = 50,
    batch_size: int = 8,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    validation: float = 0.15,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Train an emulator that reconstructs ``truth`` from coarse states.

    Whole blocks of 30 x 30 coarse cells are held out for validation; statistics and class
    shares come from the training blocks only. To keep a test region out of the training, set
    the truth there to missing.

    Parameters
    ----------
    data : Dataset
        Coarse states as area fractions; and static features, if not in ``static``.
    truth : Dataset or DataArray
        Fine classes with ``flag_values`` and ``flag_meanings``, on the grid to learn. Missing
        pixels are not learned from.
    static : Dataset, optional
    legend : str or Legend, optional
        ``"hilda"``, ``"land_states"`` or one of your own. By default the first that takes all
        of the truth's classes.
    inputs : sequence of str, optional
        Variables to learn from beside the states. By default all that have a horizontal grid.
    name, title, licence, command : str
        For the card: what to call the emulator, the licence of the data it learned from, and
        the command that makes it again.
    architecture : str
        A registered architecture, built with ``parameters``.
    window : int, optional
        Pixels along a side of a window. By default 32 coarse cells, from 32 to 160 pixels.
    conserve : bool
        Whether the map's class fractions are fitted to the states in each coarse cell.
    epochs, steps, batch_size : int
        Validation rounds, batches between them, and windows a batch.
    learning_rate, weight_decay : float
    validation : float
        Share of the blocks that is held out.
    seed : int
        Same seed, data and machine: same emulator.
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
    >>> planet = xai4land.sample("land", years=[2000])
    >>> emulator = planet.drop_vars("land_cover").ai4land.fit(
    ...     planet.land_cover, epochs=1, steps=1, batch_size=1, window=32,
    ...     parameters={"widths": [8, 16]}, progress=False)
    >>> len(emulator.card.classes)
    8
    """
    from xai4land.training.loop import Settings, train
    from xai4land.training.samples import Samples

    check_static(static)
    reference = as_variable(truth)
    chosen = find_legend(reference, legend)
    data = _without(data, reference)
    _check_settings(learning_rate=learning_rate, weight_decay=weight_decay, seed=seed)
    classes = chosen.output_classes(data)
    states = list(dict.fromkeys(s for c in classes for s in c.states))
    layers = _layers(data, static, states, inputs)
    # Training reads everything anyway; in memory all of it is checked.
    names = [layer.spec.name for layer in layers]
    data, static = _loaded(data, names), _loaded(static, names)
    target = Grid.of(reference, "the truth")
    coarse = next(layer.grid for layer in layers if layer.spec.name in states)
    card = _card(
        name=name,
        title=title or f"Land cover at {target.resolution:g}°",
        architecture={"name": architecture, "parameters": parameters or {}},
        inputs=tuple(layer.spec for layer in layers),
        classes=classes,
        conserve=conserve,
        resolution=Resolution(target=target.resolution, states=coarse.resolution),
        window=_window(window, coarse, target),
        licence=licence,
    )
    bound = bind(card, data, static, reference)
    codes = _codes(reference, chosen, bound)
    degrees, training, learned = _split(codes, bound, validation, seed)
    shares = _shares(card, np.where(training, codes, UNKNOWN))
    specs = [_measured(layer, degrees, learned) for layer in bound.layers]
    record = {
        "data": _titles(data, static, truth),
        "command": command or "ds.ai4land.fit(truth, ...)",
        "blocks": f"{degrees:g} degrees",
        "validation": validation,
    }
    card = card.with_(
        inputs=[spec.model_dump() for spec in specs],
        classes=[c.model_dump() | {"share": s} for c, s in zip(card.classes, shares, strict=True)],
        training=record,
    )
    stacks = _stacks(card, bound)
    splits = [
        Samples(card, stacks, bound.target, np.where(part, codes, UNKNOWN))
        for part in (training, ~training)
    ]
    aspect = any("aspect" in spec.name for spec in card.inputs)
    settings = Settings(
        epochs, steps, batch_size, learning_rate, weight_decay, mirrored=not aspect, seed=seed
    )
    return train(card, splits[0], splits[1], settings, device, progress)


def _titles(*sources: xr.Dataset | xr.DataArray | None) -> str:
    """What the card says that the emulator learned from."""
    found = [str(s.attrs["title"]) for s in sources if s is not None and "title" in s.attrs]
    return "; ".join(dict.fromkeys(found)) or "untitled data"


def _without(data: xr.Dataset, truth: xr.DataArray) -> xr.Dataset:
    """The dataset without maps of the truth's classes: they are no inputs."""
    meanings = truth.attrs.get("flag_meanings")
    same = [n for n, v in data.data_vars.items() if v.attrs.get("flag_meanings") == meanings]
    return data.drop_vars(same) if meanings else data


def _loaded(data: Any, names: list[str]) -> Any:
    return None if data is None else data[[n for n in names if n in data]].compute()


def _check_settings(**settings: float) -> None:
    InputError.raise_if(
        f"{name}={value!r}, expected a number from 0"
        for name, value in settings.items()
        if not isinstance(value, int | float) or not 0 <= value < 1e9
    )


def _card(**fields: Any) -> Card:
    """A card, or what is wrong with the arguments that went into it."""
    try:
        return Card(**fields)
    except ValidationError as error:
        raise InputError(
            f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']} (found {e['input']!r})"
            for e in error.errors()
        ) from error


def _layers(
    data: xr.Dataset,
    static: xr.Dataset | None,
    states: list[str],
    inputs: Sequence[str] | None,
) -> list[Layer]:
    """The inputs, as the card will describe them; statistics come later."""
    problems: list[str] = []
    layers = []
    sources = [data] if static is None else [data, static]
    named = {str(n): s[n] for s in reversed(sources) for n in s.data_vars}
    wanted = [*states, *(inputs if inputs is not None else [n for n in named if n not in states])]
    for name in dict.fromkeys(wanted):
        if name not in named:
            problems.append(f"no variable {name!r}; there are {', '.join(named)}")
            continue
        array = named[name]
        try:
            Grid.of(array, f"variable {name!r}")
            layers.append(find_layer(_spec(name, array, name in states), data, static))
        except InputError as error:
            if inputs is None and name not in states and "none;" in str(error):
                continue  # not a map: bounds, a grid mapping
            problems += error.problems
    InputError.raise_if(problems)
    return layers


def _spec(name: str, array: xr.DataArray, state: bool) -> Input:
    about = {
        "name": name,
        "standard_name": str(array.attrs.get("standard_name", "")),
        "long_name": str(array.attrs.get("long_name", "")),
    }
    if state:
        return Input(
            **about, role="dynamic", units="1", valid_range=(0.0, 1.0), offset=0.5, scale=0.5
        )
    flagged = "flag_values" in array.attrs
    if flagged or (array.dtype.kind in "iu" and str(array.attrs.get("units", "")) in ("", "1")):
        fill = array.encoding.get("_FillValue", array.attrs.get("_FillValue"))
        codes = np.unique(array.values)
        known = [int(c) for c in codes[np.isfinite(codes)] if c != fill]
        if len(known) > MOST_CODES and not flagged:
            raise InputError(
                f"variable {name!r} has {len(known)} whole numbers and no units: classes, or a "
                "quantity? set its flag_values, or its units"
            )
        return Input(**about, role="categorical", codes=tuple(known))
    units = str(array.attrs.get("units", "1"))
    return Input(
        **about, role="static" if time_name(array) is None else "dynamic", units=units, fill=0.0
    )


def _window(window: int | None, coarse: Grid, target: Grid) -> dict[str, int]:
    """Size and overlap."""
    ratio = max(round(coarse.resolution / target.resolution), 1)
    size = window or int(np.clip(32 * ratio, 32, 160))
    return {"size": size, "overlap": size // 5}


def _codes(reference: xr.DataArray, legend: Legend, bound: Bound) -> npt.NDArray[np.uint8]:
    """Positions in the legend, (times, rows, columns), rows from the north."""
    truth = match_years(reference, bound.time)
    truth = truth.transpose(..., *bound.target.names)
    values = truth.values[np.newaxis] if truth.ndim == 2 else truth.values
    codes = recode(values, legend.positions(reference))
    return codes[:, ::-1] if bound.target.ascending else codes


def _split(
    codes: npt.NDArray[np.uint8], bound: Bound, share: float, seed: int
) -> tuple[float, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Side of the blocks, which pixels are for training, and the blocks with known ones."""
    from xai4land.training.split import block_numbers, split_blocks

    lat, lon = bound.target.pixel_coords()
    known = (codes != UNKNOWN).any(0)
    degrees, held = split_blocks(known, lat, lon, BLOCK * bound.states.resolution, share, seed)
    blocks = block_numbers(lat, lon, degrees)
    training = ~np.isin(blocks, held)
    return degrees, training, np.unique(blocks[training & known])


def _shares(card: Card, codes: npt.NDArray[np.uint8]) -> list[float]:
    """Each class' part of the states that it shares with others."""
    counts = np.bincount(codes.ravel(), minlength=256)[: len(card.classes)].astype(float)
    groups = np.array(card.class_groups)
    totals = np.bincount(groups, weights=counts)[groups]
    alone = np.bincount(groups)[groups]
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), 1 / alone)
    return [round(float(s), 6) for s in shares]


def _measured(layer: Layer, degrees: float, learned: npt.NDArray[np.int64]) -> Input:
    """The input with its mean and spread over the training blocks."""
    from xai4land.training.split import block_numbers

    spec, grid = layer.spec, layer.grid
    if spec.role == "categorical" or spec.valid_range is not None:
        return spec
    lon = (grid.lon.values + 180) % 360 - 180
    inside = np.isin(block_numbers(grid.lat.values, lon, degrees), learned)
    values = np.asarray(layer.data.values, np.float64)
    values = values[..., inside]
    values = values[np.isfinite(values)]
    if not values.size:
        raise InputError(f"variable {spec.name!r} has no value in the training blocks; drop it")
    mean, spread = float(values.mean()), float(values.std())
    low, high = float(values.min()), float(values.max())
    room = (high - low) or abs(mean) or 1.0
    return spec.model_copy(
        update={
            "offset": _short(mean),
            "scale": _short(spread) or 1.0,
            "fill": _short(mean),
            # Room for what the training blocks did not show; not for other units.
            "valid_range": (_short(low - room), _short(high + room)),
        }
    )


def _short(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")


def _stacks(card: Card, bound: Bound) -> list[list[Stack]]:
    """For each time the whole of the inputs."""
    from xai4land.windows.fields import make_stacks

    values = [layer.data.values for layer in bound.layers]
    grids = [layer.grid for layer in bound.layers]
    boxes = [((0, grid.shape[0]), (0, grid.shape[1])) for grid in grids]
    times = 1 if bound.time is None else bound.time.size
    return [
        make_stacks(card.inputs, grids, boxes, [v if v.ndim == 2 else v[t] for v in values])
        for t in range(times)
    ]
