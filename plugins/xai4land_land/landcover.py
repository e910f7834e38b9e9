"""Phase 1: annual land cover from coarse states."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.emulator import Card, Emulator, load_emulator
from xai4land.emulator.file import read_card
from xai4land.emulator.inputs import Bound, bind, check_static, scalar_dates
from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.grid import Target

if TYPE_CHECKING:
    from xai4land.device import Precision
    from xai4land.inference.predict import Chunks, Prediction

__all__ = ["reconstruct"]

MISSING = 255


def reconstruct(
    data: xr.Dataset,
    emulator: str | os.PathLike[str] | Emulator | None = None,
    *,
    static: xr.Dataset | None = None,
    target: Target = None,
    probabilities: bool = False,
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
        fits the data.
    static : Dataset, optional
        Static features, if they are not in ``data``.
    target : float, Dataset or DataArray, optional
        Resolution in degrees, or a dataset on the wanted grid. By default the finest grid
        among the inputs.
    probabilities : bool
        Whether to give the probability of every class too.
    baselines : bool
        Whether to give the two maps that need no emulator, for :func:`evaluate`: the majority
        of the nearest coarse cell, and of the bilinearly interpolated fractions.
    chunks : int or tuple of int, optional
        Rows and columns of an output chunk. The result does not depend on it.
    batch_size : int
        Windows that the network sees at once. The result does not depend on it.
    device : str
        ``"auto"`` (CUDA, else MPS, else the processor), ``"cpu"``, ``"cuda"``, ...
    precision : {"auto", "float32", "bfloat16"}
        Numbers that the network computes in. By default bfloat16 where the device has
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
        looked at when they are computed; what is wrong then names the block.
    EmulatorFileError
        If the emulator cannot be had.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land")
    >>> world = planet.ai4land.reconstruct()
    >>> world.land_cover.dims, world.land_cover.dtype
    (('time', 'lat', 'lon'), dtype('uint8'))
    """
    chosen, bound = _choose(data, emulator, static, target)
    from xai4land.inference.predict import predict

    made = predict(
        chosen,
        bound,
        chunks=chunks,
        batch_size=batch_size,
        device=device,
        precision=precision,
        probabilities=probabilities,
        baselines=baselines,
    )
    return _describe(made, bound, chosen, data)


def _choose(
    data: xr.Dataset,
    emulator: str | os.PathLike[str] | Emulator | None,
    static: xr.Dataset | None,
    target: Target,
) -> tuple[Emulator, Bound]:
    """The emulator, or the bundled one whose inputs are there."""
    if emulator is not None:
        found = load_emulator(emulator)
        if not isinstance(found, Emulator):
            raise InputError(
                f"emulator {found.card.name!r} gives {found.card.gives}, expected one of maps; "
                "leave emulator= out for the one that fits"
            )
        return found, bind(found.card, data, static, target)
    check_static(static)
    from xai4land_land.emulators import BUNDLED

    names = {*map(str, data.data_vars), *(map(str, static.data_vars) if static else ())}
    lacks = {}
    for name, path in BUNDLED.items():
        card = read_card(path)
        assert isinstance(card, Card)  # ours
        lacks[name] = [spec.name for spec in card.inputs if spec.name not in names]
    # Judge by the variables; then the chosen emulator says what else does not fit.
    fitting = [name for name, absent in lacks.items() if not absent]
    if len(fitting) == 1:
        return _choose(data, fitting[0], static, target)
    if fitting:
        raise InputError(f"several emulators fit: give emulator= one of {', '.join(fitting)}")
    raise InputError(
        [f"emulator {name!r} needs {', '.join(absent)}" for name, absent in lacks.items()]
        + [
            "no bundled emulator fits these variables: add them, give static= or emulator=, fit "
            "your own with ds.ai4land.fit(truth), or form the states of 'modis-landcover-0p05' "
            "from LUH2 with xai4land_land.states_from_luh2(ds, koppen)"
        ]
    )


def _describe(made: Prediction, bound: Bound, emulator: Emulator, source: xr.Dataset) -> xr.Dataset:
    card = emulator.card
    dims = (*(() if bound.time is None else (str(bound.time.name),)), *bound.target.names)
    coords: dict[str, xr.DataArray] = cf.grid_coords(bound.target)
    if bound.time is not None:
        coords |= cf.annual_bounds(bound.time)
    else:
        coords |= {str(name): source[name] for name in scalar_dates(source)}
    legend = cf.flags(card.classes)
    variables: dict[str, xr.DataArray] = {}

    def add(name: str, array: Any, fill: Any, **attrs: Any) -> None:
        variables[name] = xr.DataArray(array, dims=dims, attrs=attrs)
        variables[name].encoding["_FillValue"] = fill

    main = card.output
    add(
        main,
        made.classes,
        np.uint8(MISSING),
        long_name="land cover class",
        **legend,
        cell_methods="area: mode",
        ancillary_variables="confidence",
        comment=f"{MISSING} where inputs are missing",
    )
    add(
        "confidence",
        made.confidence,
        np.int8(-128),
        long_name="probability of the land cover class",
        units="1",
    )
    variables["confidence"].encoding |= {"dtype": "int8", "scale_factor": np.float32(0.01)}
    for kind, array in made.baselines.items():
        how = {
            "nearest": "majority of the nearest coarse cell",
            "bilinear": "majority of the bilinearly interpolated fractions",
        }[kind]
        add(
            f"{main}_{kind}",
            array,
            np.uint8(MISSING),
            long_name=f"land cover class, {how}",
            **legend,
        )
    if made.probability is not None:
        dims = ("land_cover_class", *dims)
        coords["land_cover_class"] = xr.DataArray(
            legend["flag_values"],
            dims="land_cover_class",
            attrs={"long_name": "land cover class", **legend},
        )
        add(
            f"{main}_probability",
            made.probability,
            np.float32(np.nan),
            long_name="probability of each land cover class",
            units="1",
        )
    what = f"land cover reconstructed by emulator {card.name}"
    attrs = cf.global_attrs(source, card.title or "Land cover", what, what)
    attrs |= {"emulator": card.name, "emulator_sha256": emulator.sha256}
    return xr.Dataset(variables, {name: coords[name] for name in coords}, attrs)
