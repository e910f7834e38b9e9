"""Training of a land cover emulator on a user's states and truth."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xai4land.emulator import Classes, ClassMap, Emulator
from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.time import move_into_bounds
from xai4land.settings import resolve_settings
from xai4land.training.settings import MapSettings
from xai4land.windows.sources import chunk_stored
from xai4land_land.change.card import change_inputs, change_parameters, describe_changes
from xai4land_land.change.prior import find_years
from xai4land_land.legends import Legend, find_legend
from xai4land_land.truth import Recoding, as_variable, match_years

__all__ = ["fit"]


def fit(
    data: xr.Dataset,
    /,
    truth: xr.Dataset | xr.DataArray,
    *,
    static: xr.Dataset | None = None,
    also: Sequence[Sequence[xr.Dataset | xr.DataArray]] = (),
    prior: xr.Dataset | xr.DataArray | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
    rollouts: int = 0,
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
    smooth: float = 0.0,
    validation: float = 0.15,
    settings: MapSettings | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: bool = True,
    **changes: Any,
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
        Classes with ``flag_values`` and ``flag_meanings``, on the fine grid of the outputs. Missing
        pixels (NaN, or the fill value) are ignored; other codes that no flag names are refused.
    static : Dataset, optional
    also : sequence of tuple of Dataset
        More regions or sources to learn from, each as data, truth and, unless they are in the data,
        static features, on grids of their own. Their classes are merged into the same legend,
        whatever their codes are; with ``prior`` their own maps are the prior maps.
    prior : Dataset or DataArray, optional
        Class maps of other years, such as the truth itself: the emulator learns how a map follows
        from that of another year, and is applied with ``reconstruct(prior=...)``. The states must
        have both years.
    pairs : sequence of tuple of int, optional
        Years of prior map and truth to learn from, forward and backward. By default those of
        :func:`xai4land_land.change.pairs.choose_pairs`.
    rollouts : int
        How many times the trained emulator is rolled out over the years of the pairs, and trained
        further on maps that follow from its own ones, too, so that it has met the errors that it
        makes in a rollout (see *Drift* in the documentation of the method). Each takes about as
        long as the training itself. It needs maps of three years at least.
    legend : str or Legend, optional
        ``"hilda"``, ``"land_states"`` or one of your own. By default the first that has all
        classes of the truth.
    inputs : sequence of str, optional
        Input variables beside the states. By default all that have a horizontal grid.
    name, title, licence, command : str
        For the card: name and title of the emulator, the licence of its training data, and the
        command that reproduces it.
    architecture : str
        A registered architecture, built with ``parameters``; with ``prior`` the U-Net's inputs also
        reach its last convolution directly, unless they say otherwise.
    window : int, optional
        Pixels along a side of a window. By default 32 coarse cells, from 32 to 160 pixels.
    conserve : bool
        Whether the class fractions of the map are fitted to the states in each coarse cell.
    smooth : float
        Part of that fit, from 0 to 1, that goes on smoothly across borders of coarse cells, so
        that these show less in the map: .3 takes most of their traces from a map of MODIS.
    validation : float
        Share of the blocks that are held out.
    settings : MapSettings, dict or path-like, optional
        How to train: a :class:`xai4land_land.MapSettings`, a dictionary of its attributes, or a
        JSON or TOML file of them.
    device : str
        ``"auto"`` (CUDA, else MPS, else the CPU), ``"cpu"``, ``"cuda"``, ...
    progress : bool
        Whether to show a progress bar.
    **changes
        Single settings, such as ``epochs=5``; they override those of ``settings``.

    Returns
    -------
    Emulator
        With the weights that were best on the validation blocks. Ctrl-C returns the best so far.

    Raises
    ------
    InputError
        Listing everything that does not fit together.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> emulator = planet.drop_vars("land_cover").ai4land.fit(
    ...     planet.land_cover, epochs=1, steps=1, batch_size=1, window=32,
    ...     parameters={"widths": [8, 16]}, progress=False)
    >>> len(emulator.card.outputs.classes)
    8
    """
    from xai4land.training.fit import fit_maps
    from xai4land.training.regions import Region

    if rollouts < 0 or (rollouts and (prior is None or also)):
        raise InputError(f"rollouts={rollouts}, expected 0 or, with prior= alone, how often")
    if not 0 <= smooth <= 1 or (smooth and prior is not None):
        raise InputError(f"smooth={smooth!r}, expected 0 to 1, and 0 with prior=")
    training = resolve_settings(MapSettings, settings, changes, parameters=_PARAMETERS)
    reference = chunk_stored(as_variable(truth))
    chosen = find_legend(reference, legend)
    others = _read_others(also, chosen)
    data = move_into_bounds(_drop_truth(data, reference))
    classes = chosen.output_classes(data)
    outputs: ClassMap = Classes(classes=classes, conserve=conserve, smooth=smooth)
    resolution = Grid.of(reference, "the truth").resolution
    chosen_pairs: list[tuple[int, int]] = []
    if prior is None:
        region = Region(data, [_encode_truth(reference, chosen, data, outputs)], static)
        more = [Region(d, [_encode_truth(t, chosen, d, outputs)], own) for d, t, own in others]
    else:
        from xai4land.device import choose_device
        from xai4land.training.distributed import join_world
        from xai4land_land.change.pairs import choose_pairs, make_pairs

        world = join_world(choose_device(device))
        prior = chunk_stored(as_variable(prior))
        known = find_years(prior)
        chosen_pairs = list(pairs or choose_pairs(known, find_years(reference)))
        own_pairs = [list(pairs or choose_pairs(*[find_years(t)] * 2)) for _, t, _ in others]
        outputs = describe_changes(classes, sum(own_pairs, chosen_pairs))
        region = make_pairs(
            data,
            reference,
            prior,
            outputs,
            chosen_pairs,
            static=static,
            legend=chosen,
            world=world,
        )
        more = [
            make_pairs(d, t, t, outputs, own, static=fixed, legend=chosen, world=world)
            for (d, t, fixed), own in zip(others, own_pairs, strict=True)
        ]
        inputs = change_inputs(region, outputs, inputs)
        parameters = change_parameters(architecture, parameters)
    emulator = fit_maps(
        [region, *more],
        outputs,
        inputs=inputs,
        name=name,
        title=title or f"Land cover at {resolution:g}°",
        licence=licence,
        command=command or "ds.ai4land.fit(truth, ...)",
        training_data=_join_titles(data, static, truth, *(part for pair in also for part in pair)),
        architecture=architecture,
        parameters=parameters,
        window=window,
        validation=validation,
        settings=training,
        device=device,
        progress=progress,
    )
    if prior is None or not rollouts:
        return emulator
    from xai4land_land.change.own_maps import train_on_own_maps

    return train_on_own_maps(
        emulator,
        region,
        rollouts,
        data,
        reference,
        prior,
        chosen_pairs,
        static=static,
        legend=chosen,
        settings=training,
        device=device,
        progress=progress,
    )


_PARAMETERS = tuple(inspect.signature(fit).parameters)


def _join_titles(*sources: xr.Dataset | xr.DataArray | None) -> str:
    """Return the titles of the training data, for the card."""
    titles = [str(s.attrs["title"]) for s in sources if s is not None and "title" in s.attrs]
    return "; ".join(dict.fromkeys(titles)) or "untitled data"


def _read_others(
    also: Sequence[Sequence[xr.Dataset | xr.DataArray]], legend: Legend
) -> list[tuple[xr.Dataset, xr.DataArray, xr.Dataset | None]]:
    """Return data, truth and static features of more sources, whose classes a legend must have.

    Raises
    ------
    InputError
        Listing the classes of all sources that it has not, and those that are incomplete.
    """
    found, problems = [], []
    for number, parts in enumerate(also):
        if not 2 <= len(parts) <= 3 or not all(isinstance(p, xr.Dataset) for p in parts[::2]):
            problems.append(
                f"also[{number}] is {', '.join(type(part).__name__ for part in parts) or 'empty'}, "
                "expected a dataset of states, the truth and, if you like, a dataset of static "
                "features"
            )
            continue
        try:
            reference = chunk_stored(as_variable(parts[1]))
            legend.positions(reference)
            data, *static = parts[::2]
            assert isinstance(data, xr.Dataset)
            own = static[0] if static else None
            assert own is None or isinstance(own, xr.Dataset)
            found.append((move_into_bounds(_drop_truth(data, reference)), reference, own))
        except InputError as error:
            problems += [f"also[{number}]: {problem}" for problem in error.problems]
    InputError.raise_if(problems)
    return found


def _drop_truth(data: xr.Dataset, truth: xr.DataArray) -> xr.Dataset:
    """Return the dataset without maps of the truth's classes: these are no inputs."""
    meanings = truth.attrs.get("flag_meanings")
    same = [n for n, v in data.data_vars.items() if v.attrs.get("flag_meanings") == meanings]
    return data.drop_vars(same) if meanings else data


def _encode_truth(
    reference: xr.DataArray, legend: Legend, data: xr.Dataset, outputs: ClassMap
) -> xr.DataArray:
    """Return positions in the legend at the times of the states; lazy if the truth is."""
    dynamic = [data[name] for name in outputs.states if name in data]
    names = [(array, time_name(array)) for array in dynamic]
    time = next((array[name] for array, name in names if name is not None), None)
    truth = match_years(reference, time)
    positions: xr.DataArray = xr.apply_ufunc(
        Recoding.of(reference, legend.positions(reference)).known,
        truth,
        dask="parallelized",
        output_dtypes=[np.uint8],
        keep_attrs=True,
    )
    return positions
