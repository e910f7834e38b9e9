"""Types of plants from forms of plants: a climate tells tropical, temperate and boreal apart."""

from __future__ import annotations

import xarray as xr

from xai4land_land.crosswalks.classes import get_legend
from xai4land_land.crosswalks.climate import PlantClimate
from xai4land_land.crosswalks.covers import Cover, name_classes

__all__ = ["split_forms"]

SPLIT = (
    "needleleaf_evergreen_tree",
    "broadleaf_evergreen_tree",
    "broadleaf_deciduous_tree",
    "tree",
    "shrub",
    "grass",
)
"""Forms that need a climate."""


def split_forms(forms: Cover, climate: PlantClimate) -> Cover:
    """Split forms of plants into the types of CLM5 and its landunits; lazily.

    Trees that are not told apart are, in the tropics, broadleaf: evergreen where no month is dry,
    else deciduous; in temperate climates half needleleaf evergreen and half broadleaf deciduous,
    as IGBP's mixed forest; boreal ones are needleleaf evergreen.

    Parameters
    ----------
    forms : Cover
        Of the legend ``clm5_forms``.
    climate : PlantClimate
        On the same pixels.

    Returns
    -------
    Cover
        Of the legend ``clm5``, missing where there are plants of :data:`SPLIT` and no climate.
    """
    part, of = forms.part, climate
    tree, shrub, grass = part("tree"), part("shrub"), part("grass")
    needle = part("needleleaf_evergreen_tree")
    evergreen, deciduous = part("broadleaf_evergreen_tree"), part("broadleaf_deciduous_tree")
    boreal_tree = ~of.tropical & of.boreal
    mixed = tree * (0.5 * ~(of.tropical | of.boreal))
    warm_grass = grass * ~of.arctic
    types: dict[str, xr.DataArray] = {
        "not_vegetated": part("not_vegetated"),
        "needleleaf_evergreen_temperate_tree": needle * ~of.boreal + mixed,
        "needleleaf_evergreen_boreal_tree": needle * of.boreal + tree * boreal_tree,
        "needleleaf_deciduous_boreal_tree": part("needleleaf_deciduous_tree"),
        "broadleaf_evergreen_tropical_tree": (evergreen + tree * of.wet) * of.tropical,
        "broadleaf_evergreen_temperate_tree": evergreen * ~of.tropical,
        "broadleaf_deciduous_tropical_tree": (deciduous + tree * ~of.wet) * of.tropical,
        "broadleaf_deciduous_temperate_tree": deciduous * (~of.tropical & ~of.cold) + mixed,
        "broadleaf_deciduous_boreal_tree": deciduous * (~of.tropical & of.cold),
        "broadleaf_evergreen_shrub": shrub * of.evergreen_shrub,
        "broadleaf_deciduous_temperate_shrub": shrub * (~of.boreal & ~of.evergreen_shrub),
        "broadleaf_deciduous_boreal_shrub": shrub * (of.boreal & ~of.evergreen_shrub),
        "c3_arctic_grass": grass * of.arctic,
        "c3_non-arctic_grass": warm_grass * (1 - of.c4),
        "c4_grass": warm_grass * of.c4,
        "c3_crop": part("crop"),
        **{name: part(name) for name in ("urban", "lake", "wetland", "glacier", "ocean")},
    }
    legend = get_legend("clm5")
    known = of.known | (sum(part(name) for name in SPLIT) == 0)
    whole = [types[c.name].where(known) for c in legend.classes]
    joined = xr.concat(whole, dim=forms.dim, coords="minimal", compat="override", join="override")
    joined = joined.transpose(*forms.fractions.dims).astype(forms.fractions.dtype)
    joined = joined if joined.chunks is None else joined.chunk({forms.dim: -1})
    joined = joined.assign_coords({forms.dim: name_classes(forms.dim, legend.classes, "clm5")})
    return Cover(joined, forms.dim, tuple(types))
