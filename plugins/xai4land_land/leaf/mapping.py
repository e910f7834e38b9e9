"""Leaf area from land cover and climate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import xarray as xr

from xai4land.emulator import load_emulator
from xai4land.errors import InputError
from xai4land.grids.grid import Target
from xai4land_land.leaf.emulator import LeafAreaEmulator
from xai4land_land.leaf.inputs import form_inputs
from xai4land_land.leaf.lapse import bring_to_sea_level, follow_elevation

if TYPE_CHECKING:
    from xai4land.device import Precision
    from xai4land.inference.predict import Chunks

__all__ = ["leaf_area"]

BUNDLED = "leaf-area"


def leaf_area(
    data: xr.Dataset,
    /,
    climate: xr.Dataset,
    emulator: str | os.PathLike[str] | LeafAreaEmulator | None = None,
    *,
    static: xr.Dataset | None = None,
    target: Target = None,
    lapse_rate: float | None = None,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "float32",
) -> xr.Dataset:
    """Make leaf area index from land cover and climate; nothing is computed yet.

    Parameters
    ----------
    data : Dataset
        Land cover of one year or of several: a map with flags, as :func:`reconstruct` gives it,
        fractions by the names of the emulator's classes, or ``land_cover_probability``. Between
        the middles of years it changes evenly.
    climate : Dataset
        ``tas`` and, if there are any, ``pr`` and ``rsds`` on their own grid, in any units that can
        be converted: monthly, or of dekads or days if the emulator was fitted to these. The first
        step that is made has eleven months before it.
    emulator : str, path-like or LeafAreaEmulator, optional
        By default the bundled one, ``"leaf-area"``.
    static : Dataset, optional
        Static features of the emulator's card.
    target : float, Dataset or DataArray, optional
        Resolution in degrees, or a dataset on the wanted grid. By default the finest grid among
        the inputs, over the domain of the land cover.
    lapse_rate : float, optional
        K/km by which temperature falls with the elevation of each pixel (6.5 in the standard
        atmosphere), from that at the climate's own elevation (``orog``), or at the mean of the
        emulator's ``elevation`` over the climate's cell. By default temperature is taken as it is.
    chunks, batch_size, device
        As of :func:`reconstruct`.
    precision : {"float32", "bfloat16", "auto"}
        As of :func:`reconstruct`, but in full precision by default: rounding to bfloat16 is as
        large as what a month departs from its mean, and networks of one pixel are fast enough.

    Returns
    -------
    Dataset
        ``leaf_area_index`` (float32, 1) and ``leaf_area_index_spread``, for each step; missing
        where land cover or temperature are. 90 % lie within 1.645 spreads.

    Raises
    ------
    InputError
        Listing what is wrong: too few months, missing months, unknown units or classes, inputs
        that do not fit the emulator.

    Examples
    --------
    >>> import xai4land
    >>> land = xai4land.sample("leaf_area", years=[2000])
    >>> climate = xai4land.sample("land_climate", years=[1999, 2000])
    >>> emulator = land.ai4land.fit_leaf_area(
    ...     climate, land.leaf_area_index, epochs=1, steps=1, batch_size=1, progress=False)
    >>> made = land.ai4land.leaf_area(climate, emulator)
    >>> made.leaf_area_index.dims, made.sizes["time"]
    (('time', 'lat', 'lon'), 13)
    """
    from xai4land.inference.apply import apply

    found = load_emulator(BUNDLED if emulator is None else emulator)
    if not isinstance(found, LeafAreaEmulator):
        raise InputError(
            f"emulator {found.card.name!r} gives {found.card.gives}, expected leaf area; leave "
            "emulator= out, or train one: ds.ai4land.fit_leaf_area(climate, truth)"
        )
    if lapse_rate is not None:
        found = follow_elevation(found, lapse_rate)
        climate = bring_to_sea_level(climate, lapse_rate, static, data)
    card = found.card
    # At sea level temperature may be beyond what it is anywhere at the surface.
    ranges = card.climate_ranges if lapse_rate is None else {}
    inputs = form_inputs(data, climate, card.outputs, card.climate, ranges)
    features = [s.name for s in card.of_role("static") if s.name in data]
    inputs = inputs.assign({name: data[name] for name in features})
    inputs.attrs = dict(data.attrs)
    return apply(
        found,
        inputs,
        static=static,
        target=target,
        chunks=chunks,
        batch_size=batch_size,
        device=device,
        precision=precision,
    )
