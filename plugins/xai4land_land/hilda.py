"""From the states of other sources to the seven of HILDA+'s legend."""

from __future__ import annotations

import xarray as xr

from xai4land.emulator import ClassMap
from xai4land_land.legends import HILDA

__all__ = ["HILDA_STATES", "form_hilda_states", "form_own_states"]

HILDA_STATES = {
    "urban": "urban",
    "cropland": "crop",
    "pasture": "pasture",
    "forest": "forest",
    "grass_shrub": "nonforest",
    "sparse": "other",
    "water": "water",
}
"""State of each class of the land."""


def form_hilda_states(data: xr.Dataset, /) -> xr.Dataset:
    """Form the states of ``change-landcover`` from those of LUH2, LUH3 or classes of ESA CCI.

    ``reconstruct(prior=...)`` does so where the emulator reads these states and the data lack them.

    ==========  =================================  ======================
    state       from LUH2 or LUH3                  from ESA CCI, grouped
    ==========  =================================  ======================
    urban       urban                              settlement
    crop        c3ann + c3per + c4ann + c4per +    agriculture
                c3nfx
    pasture     pastr + range                      none
    forest      primf + secdf + pltns              forest
    nonforest   primn + secdn                      grassland + shrubland
    other       none                               sparse_vegetation
    water       none                               water
    ==========  =================================  ======================

    LUH2 knows neither bare ground nor water: their area then stays as it is in the prior map, since
    ``demand="change"`` asks for the change of states alone. ``demand="level"`` would remove them.

    Parameters
    ----------
    data : Dataset
        Fractions of the cell.

    Returns
    -------
    Dataset
        ``data`` with ``urban``, ``crop``, ``pasture``, ``forest``, ``nonforest``, ``other`` and
        ``water``, lazy where it was; itself if it has them.

    Raises
    ------
    InputError
        If states of all of these sources are missing.

    Examples
    --------
    >>> import xai4land
    >>> states = form_hilda_states(xai4land.sample("land", years=[2000]))
    >>> float(states.water.max())
    0.0
    """
    if all(name in data for name in HILDA_STATES.values()):
        return data
    vocabulary = HILDA.vocabulary(data)
    used: set[str] = set()
    formed: dict[str, xr.DataArray] = {}
    for name, state in HILDA_STATES.items():
        parts = [data[part] for part in vocabulary.get(name, ()) if part not in used]
        used.update(vocabulary.get(name, ()))
        # Missing where the urban part is, which all sources have.
        formed[state] = sum(parts[1:], start=parts[0]) if parts else 0 * formed["urban"]
        formed[state].attrs = {"standard_name": "area_fraction", "units": "1"}
    return data.assign(formed)


def form_own_states(data: xr.Dataset, outputs: ClassMap) -> xr.Dataset:
    """Return data with the states of HILDA+'s legend, if an emulator reads these."""
    own = set(outputs.states) == set(HILDA_STATES.values())
    return form_hilda_states(data) if own else data
