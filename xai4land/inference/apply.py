"""From datasets and an emulator of maps to a lazy CF dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from xai4land.device import Precision
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.inputs import Bound, bind, scalar_dates
from xai4land.grids import cf
from xai4land.grids.grid import Target
from xai4land.heads.base import Head
from xai4land.heads.make import make_head
from xai4land.heads.outputs import to_dataset
from xai4land.inference.predict import Chunks, predict

__all__ = ["apply", "apply_bound", "describe_origin"]


def apply(
    emulator: Emulator,
    data: xr.Dataset,
    *,
    static: xr.Dataset | None = None,
    target: Target = None,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    **options: Any,
) -> xr.Dataset:
    """Apply an emulator of maps; nothing is computed yet.

    Parameters
    ----------
    emulator : Emulator
    data : Dataset
        The inputs of the emulator's card, each on its own grid.
    static : Dataset, optional
        More of them.
    target : optional
        The grid of the outputs: degrees, or a dataset. By default the finest of the inputs, over
        the domain of the coarse ones.
    chunks, batch_size, device, precision
        As in :func:`xai4land.inference.predict.predict`.
    **options
        Options of the emulator's head, such as ``probabilities=True``.

    Returns
    -------
    Dataset
        The outputs of the emulator's head, lazy, with CF metadata.

    Raises
    ------
    InputError
        Listing everything in the data that does not fit the emulator.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> maps = apply(xai4land.load_emulator("sample-landcover"), planet, probabilities=True)
    >>> len(maps.data_vars), maps.sizes["time"]
    (3, 1)
    """
    bound = bind(emulator.card, data, static, target)
    return apply_bound(
        emulator,
        bound,
        data,
        options,
        chunks=chunks,
        batch_size=batch_size,
        device=device,
        precision=precision,
    )


def apply_bound(
    emulator: Emulator,
    bound: Bound,
    source: xr.Dataset,
    options: Mapping[str, Any],
    **running: Any,
) -> xr.Dataset:
    """Apply an emulator to inputs that are checked already; see :func:`apply`."""
    head = make_head(emulator.card, **options)
    arrays = predict(emulator, bound, **running, **options)
    coords: dict[str, Any] = cf.grid_coords(bound.target)
    if bound.time is not None:
        coords |= cf.time_bounds(bound.time, head.period)
    else:
        coords |= {str(name): source[name] for name in scalar_dates(source)}
    mapping = cf.geographic_mapping(source)
    coords[str(mapping.name)] = mapping
    attrs = describe_origin(emulator, head, source, "reconstructed")
    dims = (*(() if bound.time is None else (str(bound.time.name),)), *bound.target.names)
    return to_dataset(head.outputs, arrays, dims, coords, attrs)


def describe_origin(emulator: Emulator, head: Head, source: xr.Dataset, how: str) -> dict[str, Any]:
    """Return global attributes of outputs: what they are, from which data, by which emulator.

    Parameters
    ----------
    emulator : Emulator
    head : Head
    source : Dataset
        What they were made from.
    how : str
        A participle, for the history.
    """
    card = emulator.card
    what = f"{head.title} {how} by emulator {card.name}"
    attrs = cf.global_attrs(source, card.title or head.title.capitalize(), what, what)
    return {**attrs, "emulator": card.name, "emulator_sha256": emulator.sha256}
