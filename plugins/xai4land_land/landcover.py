"""Annual land cover from coarse states."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import xarray as xr

from xai4land.emulator import Card, Changes, Classes, Emulator, MapCard, load_emulator
from xai4land.emulator.file import read_card
from xai4land.emulator.inputs import Bound, bind, check_static
from xai4land.errors import InputError
from xai4land.grids.grid import Target
from xai4land_land.change.between import roll_between
from xai4land_land.change.demand import CLIPPED, Demand
from xai4land_land.change.prior import encode_prior, find_years
from xai4land_land.change.rollout import Years, pair_years, roll_out
from xai4land_land.drawing import check_drawing, join_members
from xai4land_land.exact_areas import check_exact_areas, describe_areas
from xai4land_land.hilda import form_own_states
from xai4land_land.truth import as_variable

if TYPE_CHECKING:
    from xai4land.device import Precision
    from xai4land.heads.areas import Areas
    from xai4land.inference.predict import Chunks
    from xai4land_land.masks import LandMask

__all__ = ["form_demand", "reconstruct"]

CHANGE_EMULATOR = "change-landcover"


def reconstruct(
    data: xr.Dataset,
    emulator: str | os.PathLike[str] | Emulator | None = None,
    *,
    static: xr.Dataset | None = None,
    target: Target = None,
    prior: xr.Dataset | xr.DataArray | None = None,
    years: Years = None,
    every: int = 1,
    demand: Demand = "change",
    exchange: bool = False,
    land: LandMask | None = None,
    probabilities: bool = False,
    uncertainty: bool = False,
    areas: Areas = "free",
    members: int | None = None,
    seed: int = 0,
    baselines: bool = True,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
) -> xr.Dataset:
    """Reconstruct land cover at high resolution; nothing is computed yet.

    Parameters
    ----------
    data : Dataset
        Coarse states as area fractions (time, lat, lon), and static features on their own,
        finer grid, as the emulator's card lists them.
    emulator : str, path-like or Emulator, optional
        A bundled emulator's name, a file, or an emulator. By default the bundled one that
        fits the data; with ``prior`` it is ``"change-landcover"``, whose states are formed from
        LUH2's or LUH3's by :func:`form_hilda_states`.
    static : Dataset, optional
        Static features, if they are not in ``data``.
    target : float, Dataset or DataArray, optional
        Resolution in degrees, or a dataset on the wanted grid. By default the finest grid
        among the inputs, over the domain of the states.
    prior : Dataset or DataArray, optional
        Map of a known year, with flags and a date, for emulators that change it year after year:
        each map is the prior map of the next one, away from the known year. ``data`` must hold
        that year's states, too. With maps of several years, those between two follow from both,
        forward and backward, and ``land_cover_forward`` and ``land_cover_backward`` are given, too.
    years : int, slice or sequence of int, optional
        Years to reconstruct, the one of ``prior`` among them, whose map is returned
        unchanged: ``slice(2014, 1850)`` goes back in time. By default all years of ``data``, which
        must be equally far apart then.
    every : int
        Years of a step; steps must end where ``years`` does.
    demand : {"change", "level"}
        What each coarse cell demands of the map: the prior map's own fractions plus the change of
        the states since its year, so that a map and states that differ in level do not change in
        the first year; or the states' fractions.
    exchange : bool
        Whether classes are exchanged beyond the net change that the states demand, at the rate
        that the emulator learned.
    land : DataArray, Dataset or str, optional
        Land mask for all maps, the baselines included: 1 (or true, or a fraction above a half)
        on land, on any grid; or the name of an input that is missing where there is no land. On
        land the class of the sea (the one without states, else ``ocean``, ``sea`` or ``water``)
        is not chosen, and all else is of that class. Compare an emulator whose inputs show where
        the land is with baselines that know it, too.
    probabilities : bool
        Whether to give the probability of every class too.
    uncertainty : bool
        Whether to give ``entropy`` (Shannon's, as a part of its largest value) and ``margin`` (the
        largest probability less the second) of the class probabilities too; not between known maps.
    areas : {"free", "exact"} or float
        The areas of the map's classes in each coarse cell: ``"free"``, of the most likely class of
        each pixel; ``"exact"``, as many pixels as the states' fractions come to (by largest
        remainder); or a number, the largest difference from these as a share of the cell. Of such
        maps it is the most probable one. Classes that share states share their area. With
        ``prior``, areas follow from ``demand`` and are exact anyway.
    members : int, optional
        Draw so many maps, along ``realization``, in place of the most likely one. Each pixel has
        each class with its probability (but for ``areas``), and neighbours are alike. The years of
        a member have the same noise, so that maps change as the probabilities do; with ``prior``
        each member goes on from its own map.
    seed : int
        Other seeds draw other maps. A draw depends on place, member and seed alone.
    baselines : bool
        Whether to give the two maps that need no emulator, for :func:`evaluate`: the majority
        of the nearest coarse cell, and of the bilinearly interpolated fractions. Not with
        ``prior``, the map of which is the baseline then: ``evaluate(truth, prior=prior)``.
    chunks : int, tuple of int or mapping, optional
        Rows and columns of an output chunk, or both by name as ``{"lat": 512, "lon": 1024}``.
        The result does not depend on it.
    batch_size : int
        Windows that the network sees at once. The result does not depend on it.
    device : str
        ``"auto"`` (CUDA, else MPS, else the CPU), ``"cpu"``, ``"cuda"``, ...
    precision : {"auto", "float32", "bfloat16"}
        Type that the network computes in. By default bfloat16 where the device has
        instructions for it, which changes about one class in a thousand.

    Returns
    -------
    Dataset
        ``land_cover`` (uint8 flags; 255 where an input that cannot be filled is missing),
        ``confidence`` (probability of the chosen class), and what else was asked for.

    Raises
    ------
    InputError
        Listing everything in the data that does not fit the emulator. Values of lazy data are
        checked when they are computed; the message then names the block.
    EmulatorFileError
        If the emulator cannot be found or read.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land")
    >>> world = planet.ai4land.reconstruct()
    >>> world.land_cover.dims, world.land_cover.dtype
    (('time', 'lat', 'lon'), dtype('uint8'))
    """
    running: dict[str, Any] = {
        "chunks": chunks,
        "batch_size": batch_size,
        "device": device,
        "precision": precision,
    }
    options: dict[str, Any] = {"probabilities": probabilities, "uncertainty": uncertainty}
    tolerance = check_drawing(areas, members, seed)
    if prior is not None:
        changing, outputs = _choose_change_emulator(emulator, land)
        map_ = as_variable(prior, outputs.name, "the prior map")
        roll = roll_out if len(find_years(map_)) == 1 else roll_between
        if uncertainty and roll is roll_between:
            raise InputError(
                "uncertainty= with several known maps, between which a map is chosen from two; "
                "give probabilities=True instead"
            )
        if areas not in ("free", "exact"):
            raise InputError(
                f"areas={areas!r} with prior=, whose maps agree with the demand in whole pixels; "
                "leave areas= out"
            )
        if members is not None and roll is roll_between:
            raise InputError(
                "members= with several known maps, between which a map is chosen from two; give one"
            )
        rolled = [
            roll(
                changing,
                form_own_states(data, outputs),
                prior,
                static=static,
                target=target,
                years=years,
                every=every,
                demand=demand,
                options={**options, "exchange": exchange, **drawn},
                **running,
            )
            for drawn in _list_members(members, seed)
        ]
        return rolled[0] if members is None else join_members(rolled)
    _refuse_rollout_options(years, every, exchange)
    options |= {"baselines": baselines, "areas": areas, "members": members, "seed": seed}
    chosen, bound = _choose(data, emulator, static, target)
    from xai4land.inference.apply import apply_bound

    classes = chosen.card.outputs
    assert isinstance(classes, Classes)  # _choose has seen to it
    if land is not None:
        from xai4land_land.masks import find_sea_class, make_mask

        options |= {"domain": make_mask(land, data, static), "outside": find_sea_class(classes)}
    if tolerance is not None:
        check_exact_areas(classes, bound)
    made = apply_bound(chosen, bound, data, options, **running)
    if tolerance is not None:
        made[classes.name].attrs["areas"] = describe_areas(tolerance, bound)
    return made


def form_demand(
    data: xr.Dataset,
    /,
    prior: xr.Dataset | xr.DataArray,
    emulator: str | os.PathLike[str] | Emulator | None = None,
    *,
    years: Years = None,
    every: int = 1,
    demand: Demand = "change",
) -> xr.Dataset:
    """Form what coarse cells demand of the maps that ``reconstruct(prior=...)`` makes; lazily.

    Parameters
    ----------
    data, prior, emulator, years, every, demand
        As of :func:`reconstruct`; one prior map.

    Returns
    -------
    Dataset
        The states (time, lat, lon) that the maps agree with, and ``demand_clipped``: the share of
        each cell that the states lose and the prior map does not have, so that the loss cannot be
        given. It is taken from what the other classes gain.

    Raises
    ------
    InputError
        As :func:`reconstruct` does.

    Examples
    --------
    >>> import xai4land
    >>> world = xai4land.sample("land_history", years=[1990, 1991])
    >>> demand = world.ai4land.form_demand(world.land_cover.sel(time="1990"))
    >>> float(demand.demand_clipped.max()) < 0.01
    True
    """
    _, outputs = _choose_change_emulator(emulator, None)
    map_ = encode_prior(prior, outputs)
    formed = form_own_states(data, outputs)
    pairs, *_ = pair_years(outputs, formed, map_, years, every, demand)
    return pairs[[*outputs.states, CLIPPED]]


def _list_members(members: int | None, seed: int) -> list[dict[str, int]]:
    """Return the options of each member of a rollout."""
    return [{}] if members is None else [{"member": m, "seed": seed} for m in range(members)]


def _refuse_rollout_options(years: Years, every: int, exchange: bool) -> None:
    """Refuse what only maps that follow from a prior map have."""
    given = {"years": years is not None, "every": every != 1, "exchange": exchange}
    if names := [f"{name}=" for name, there in given.items() if there]:
        raise InputError(
            f"{' and '.join(names)} without prior=; give the map of a known year, or select the "
            "years of the data: ds.sel(time=slice('1850', '2014'))"
        )


def _choose_change_emulator(
    emulator: str | os.PathLike[str] | Emulator | None, land: LandMask | None
) -> tuple[Emulator, Changes]:
    """Return the given emulator of change, or the bundled one, and its outputs."""
    if land is not None:
        raise InputError("land= with prior=, which knows where land is; leave land= out")
    found = load_emulator(CHANGE_EMULATOR if emulator is None else emulator)
    if not (isinstance(found, Emulator) and isinstance(found.card.outputs, Changes)):
        raise InputError(
            f"emulator {found.card.name!r} gives {found.card.gives} from states alone, expected "
            "one that takes a prior map; leave prior= out, or train one: ds.ai4land.fit(truth, "
            "prior=truth)"
        )
    return found, found.card.outputs


def _choose(
    data: xr.Dataset,
    emulator: str | os.PathLike[str] | Emulator | None,
    static: xr.Dataset | None,
    target: Target,
) -> tuple[Emulator, Bound]:
    """Return the given emulator, or the bundled one whose inputs are there, and its inputs."""
    if emulator is not None:
        found = load_emulator(emulator)
        if isinstance(found.card, MapCard) and isinstance(found.card.outputs, Changes):
            raise InputError(
                f"emulator {found.card.name!r} makes a map from that of another year; give prior="
            )
        if not (isinstance(found, Emulator) and isinstance(found.card.outputs, Classes)):
            raise InputError(
                f"emulator {found.card.name!r} gives {found.card.gives}, expected one of classes; "
                "leave emulator= out for the one that fits"
            )
        return found, bind(found.card, data, static, target)
    check_static(static)
    from xai4land_land.emulators import BUNDLED

    names = {*map(str, data.data_vars), *(map(str, static.data_vars) if static else ())}
    missing = {}
    for name, path in BUNDLED.items():
        card = read_card(path)
        if not (isinstance(card, Card) and isinstance(card.outputs, Classes)):
            continue
        missing[name] = [spec.name for spec in card.inputs if spec.name not in names]
    # Chosen by the names of variables; binding then finds what else does not fit.
    fitting = [name for name, absent in missing.items() if not absent]
    if len(fitting) == 1:
        return _choose(data, fitting[0], static, target)
    if fitting:
        raise InputError(f"several emulators fit: give emulator= one of {', '.join(fitting)}")
    raise InputError(
        [f"emulator {name!r} needs {', '.join(absent)}" for name, absent in missing.items()]
        + [
            "no bundled emulator fits these variables: add them, give static= or emulator=, fit "
            "your own with ds.ai4land.fit(truth), or form the states of 'modis-landcover-0p05' "
            "from LUH2 with xai4land_land.states_from_luh2(ds, koppen)"
        ]
    )
