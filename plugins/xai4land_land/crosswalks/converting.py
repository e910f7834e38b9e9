"""``to_legend``: land cover in the classes of another legend."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cf import extend_attrs
from xai4land_land.crosswalks.classes import FORMS, class_names, find_source, get_legend
from xai4land_land.crosswalks.climate import PlantClimate, climate_of_koppen, climate_of_months
from xai4land_land.crosswalks.covers import Cover, find_cover, find_map, name_classes
from xai4land_land.crosswalks.splits import split_forms
from xai4land_land.crosswalks.table import Crosswalk, CrosswalkRow
from xai4land_land.crosswalks.ways import find_way
from xai4land_land.legends import LandClass, flag_meanings
from xai4land_land.truth import Recoding, as_variable

__all__ = ["to_legend"]

COLOURS = ("#1b7837", "#e6c229", "#b5cf6b", "#4292c6", "#d7301f", "#d2b48c", "#a6761d", "#f0f0f5")
"""Of a user's own classes, in turn."""
MISSING = 255


def to_legend(
    data: xr.Dataset,
    legend: str | os.PathLike[str] | Crosswalk,
    *,
    climate: xr.Dataset | None = None,
    koppen: xr.Dataset | xr.DataArray | None = None,
) -> xr.Dataset:
    """Bring land cover to the classes of another legend, by documented cross-walks; lazily.

    Parameters
    ----------
    data : Dataset
        Probabilities or fractions of classes, or a map with flags; of the legends ``land_states``,
        ``hilda8``, ``hilda_plus``, ``igbp`` or ``esa_cci``, found by the names of the classes.
    legend : str, path-like or Crosswalk
        ``"hilda8"``, ``"land_states"``, ``"igbp"``, ``"ipcc"``, ``"clm5"`` or another known one;
        or a cross-walk of your own: a file that ends in ``.csv``, with the columns
        ``source_class,target_class,share,source``.
    climate : Dataset, optional
        Monthly ``tas`` and ``pr``, for ``"clm5"``, which tells tropical, temperate and boreal
        plants and C3 and C4 grass apart.
    koppen : Dataset or DataArray, optional
        Classes of Köppen instead, an approximation: codes of the emulators' static features
        (Rubel et al. 2017: 1 to 31 from Af to ET), or any with flags that name them.

    Returns
    -------
    Dataset
        What ``data`` have, in the new classes: the map (uint8 flags) where each class becomes one
        class, and ``land_cover_probability`` or ``land_cover_fraction``. Attributes name the
        legend, the cross-walk, its sources, and how a climate was used.

    Raises
    ------
    InputError
        If no cross-walk leads there; if a class of the data has no row; if fractions do not sum
        to one; if a map's class would have to be divided (bring :func:`fractions`); if a climate
        is needed and missing; and all that is wrong in a file.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> to_legend(planet[["land_cover"]], "ipcc").land_cover.attrs["flag_meanings"]
    'water forest_land cropland grassland wetlands settlements other_land'
    """
    cover, map_ = find_cover(data), find_map(data)
    way, wanted = _find(_list_classes(cover, map_), legend)
    splits = way.target_legend == FORMS and (
        wanted == "clm5" or climate is not None or koppen is not None
    )
    wanted = "clm5" if splits else wanted
    _check_classes(cover, map_, way, wanted, splits)
    attrs = {
        "legend": wanted,
        "crosswalk": way.name,
        "crosswalk_sources": "; ".join(dict.fromkeys(row.source for row in way.rows)),
    }
    if cover is None:
        assert map_ is not None  # _list_classes has seen to it
        made = {str(map_.name): _recode(map_, way, wanted).assign_attrs(attrs)}
        return _assemble(data, made, wanted)
    shared = _share_out(cover, way, wanted)
    if splits:
        limits = _find_climate(cover, climate, koppen)
        shared = split_forms(shared, limits)
        attrs["climate_rule"] = limits.rule
    made = {str(cover.fractions.name): _describe(shared, cover, attrs)}
    if map_ is not None and way.is_whole and not splits:
        made[str(map_.name)] = _recode(map_, way, wanted).assign_attrs(attrs)
    label = {"long_name": "name of the class"}
    result = _assemble(data, made, wanted, without=cover.dim)
    return result.assign_coords(class_name=(cover.dim, [*shared.names], label))


def _check_classes(
    cover: Cover | None, map_: xr.DataArray | None, way: Crosswalk, wanted: str, splits: bool
) -> None:
    """Refuse classes without a row, and maps whose classes would have to be divided."""
    names = _list_classes(cover, map_)
    if absent := [name for name in names if name not in way.sources]:
        raise InputError(
            f"cross-walk {way.name!r} has no row for {', '.join(absent)}, which the data have; add "
            "one"
        )
    if cover is None and (splits or not way.is_whole):
        divided = [name for name in names if len(way.shares()[name]) > 1] or ["plants"]
        raise InputError(
            f"a map cannot be brought to {wanted!r}, which divides {', '.join(divided)}; "
            "bring fractions: ds.ai4land.fractions(0.5).ai4land.to_legend(...), "
            "or reconstruct(probabilities=True)"
        )


def _assemble(
    data: xr.Dataset, made: dict[str, xr.DataArray], wanted: str, without: str = "class_name"
) -> xr.Dataset:
    """Return a dataset of new variables, with the coordinates of the old one but its classes."""
    kept = {n: c for n, c in data.coords.items() if n != "class_name" and without not in c.dims}
    bounds = {n: a for n, a in data.data_vars.items() if str(n).endswith(("_bnds", "_bounds"))}
    used = {dim for array in made.values() for dim in array.dims}
    places = {n: c for n, c in {**kept, **bounds}.items() if set(c.dims) <= {*used, "bnds"}}
    result = xr.Dataset(made).assign_coords(places)
    return result.assign_attrs(extend_attrs(data, f"classes brought to the legend {wanted}"))


def _list_classes(cover: Cover | None, map_: xr.DataArray | None) -> tuple[str, ...]:
    """Return the names of the classes of the data."""
    if cover is not None:
        return cover.names
    if map_ is not None:
        return tuple(dict.fromkeys(flag_meanings(map_).values()))
    raise InputError(
        "the data have neither fractions or probabilities of classes nor a map with flags; set "
        "flag_values and flag_meanings"
    )


def _find(
    names: tuple[str, ...], legend: str | os.PathLike[str] | Crosswalk
) -> tuple[Crosswalk, str]:
    """Return the cross-walk to a legend, and the name of the legend."""
    if isinstance(legend, os.PathLike) or (isinstance(legend, str) and legend.endswith(".csv")):
        legend = Crosswalk.read(legend)
    if isinstance(legend, Crosswalk):
        return legend, legend.target_legend or legend.name
    get_legend(legend)
    start = find_source(names)
    if start == FORMS and legend == "clm5":
        same = [CrosswalkRow(name, name, 1.0, "the same") for name in class_names(FORMS)]
        return Crosswalk(FORMS, same, FORMS, FORMS), legend
    if start == legend:
        raise InputError(f"the data are in the legend {legend!r} already; use them as they are")
    return find_way(start, FORMS if legend == "clm5" else legend), legend


def _classes(way: Crosswalk, wanted: str) -> tuple[LandClass, ...]:
    """Return the classes of the target: a known legend's, or those of the rows from 1."""
    if way.target_legend is not None:
        return get_legend(way.target_legend).classes
    return tuple(
        LandClass(k + 1, name, COLOURS[k % len(COLOURS)]) for k, name in enumerate(way.targets)
    )


def _recode(map_: xr.DataArray, way: Crosswalk, wanted: str) -> xr.DataArray:
    """Return a map with the codes of the target."""
    classes = _classes(way, wanted)
    values = {c.name: c.value for c in classes}
    shares = way.shares()
    codes = {code: values[next(iter(shares[name]))] for code, name in flag_meanings(map_).items()}
    recoded: xr.DataArray = xr.apply_ufunc(
        Recoding.of(map_, codes, f"map {map_.name!r}").known,
        map_,
        dask="parallelized",
        output_dtypes=[np.uint8],
    )
    flags = name_classes("flags", classes, wanted).attrs
    recoded.attrs = {**flags, "long_name": f"land cover in the legend {wanted}"}
    recoded.attrs |= {n: map_.attrs[n] for n in ("cell_methods", "grid_mapping") if n in map_.attrs}
    recoded.encoding = {"_FillValue": np.uint8(MISSING), "dtype": np.dtype("uint8")}
    return recoded.rename(map_.name)


def _share_out(cover: Cover, way: Crosswalk, wanted: str) -> Cover:
    """Return the fractions of the target's classes: a product with the table of shares."""
    classes = _classes(way, wanted)
    places = {c.name: k for k, c in enumerate(classes)}
    table = np.zeros((len(cover.names), len(classes)))
    for row, name in enumerate(cover.names):
        for target, share in way.shares()[name].items():
            table[row, places[target]] = share
    array = cover.fractions
    if array.chunks is not None:
        array = array.chunk({cover.dim: -1})
    shared: xr.DataArray = xr.apply_ufunc(
        _multiply,
        array,
        kwargs={"table": table},
        input_core_dims=[[cover.dim]],
        output_core_dims=[["_class"]],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"_class": len(classes)}},
        output_dtypes=[array.dtype],
    )
    shared = shared.rename(_class=cover.dim).transpose(*array.dims)
    shared = shared.assign_coords({cover.dim: name_classes(cover.dim, classes, wanted)})
    return Cover(shared, cover.dim, tuple(places))


def _multiply(
    values: npt.NDArray[np.floating], table: npt.NDArray[np.float64]
) -> npt.NDArray[np.floating]:
    """Multiply fractions along the last axis with shares; in double precision."""
    return (values.astype(np.float64) @ table).astype(values.dtype)


def _find_climate(
    cover: Cover, climate: xr.Dataset | None, koppen: xr.Dataset | xr.DataArray | None
) -> PlantClimate:
    """Return what tells types of plants apart: months where they are given, else Köppen."""
    like = cover.fractions.isel({cover.dim: 0}, drop=True)
    if climate is not None:
        return climate_of_months(climate, like)
    if koppen is not None:
        return climate_of_koppen(as_variable(koppen, "koppen", "the map of Köppen"), like)
    raise InputError(
        "the legend 'clm5' tells tropical, temperate and boreal plants and C3 and C4 grass apart; "
        "give climate= (monthly tas and pr), or koppen="
    )


def _describe(changed: Cover, cover: Cover, attrs: dict[str, str]) -> xr.DataArray:
    """Return the new fractions with attributes and the name of the old ones."""
    old = cover.fractions
    kept = {
        n: old.attrs[n] for n in ("standard_name", "cell_methods", "grid_mapping") if n in old.attrs
    }
    changed = replace(changed, fractions=changed.fractions.rename(old.name))
    what = "probability" if str(old.name).endswith("_probability") else "area fraction"
    described = {"long_name": f"{what} of each class", "units": "1", **kept, **attrs}
    result: xr.DataArray = changed.fractions.assign_attrs(described)
    return result
