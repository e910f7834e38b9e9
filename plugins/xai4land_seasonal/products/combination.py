"""Several ensembles as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land_seasonal.verification.matching import match

__all__ = ["combine"]


def combine(
    forecast: xr.Dataset,
    others: Mapping[str, xr.Dataset],
    *,
    weights: Sequence[float] | None = None,
) -> xr.Dataset:
    """Join ensembles into one, at the times that all have.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, ...). It gives the attributes, and is named by its ``emulator``.
    others : mapping from str to Dataset
        Other forecasts on the same grid, by name; calibrate all of them first.
    weights : sequence of float, optional
        Share of each in the combined ensemble, the forecast's first; equal by default. The
        largest ensemble that keeps these shares is made, of the first members of each.

    Returns
    -------
    Dataset
        On (time, realization, ...), with ``source`` for each realization.

    Raises
    ------
    InputError
        If there is no other forecast, names or grids differ, or weights are no shares.

    Examples
    --------
    >>> from xai4land_seasonal.data.seasons import season_coords
    >>> import pandas as pd
    >>> like = xr.DataArray(pd.date_range("2000-01-01", periods=2), dims="time")
    >>> coords = season_coords(np.array([24002, 24014]), ["MAM", "MAM"], like)
    >>> def ensemble(count):
    ...     return xr.Dataset({"tas": (("time", "realization"), np.zeros((2, count)))}, coords)
    >>> combine(ensemble(100), {"theirs": ensemble(25)}).sizes["realization"]
    50
    """
    label = str(forecast.attrs.get("emulator", "forecast"))
    if not others or label in others:
        raise InputError(
            f"others={list(others)}, expected at least one forecast, none named {label!r} like the "
            "first; give e.g. {'SEAS5': hindcast}"
        )
    forecasts = {label: forecast, **others}
    shares = [1.0] * len(forecasts) if weights is None else list(weights)
    problems = []
    if len(shares) != len(forecasts) or min(shares) < 0 or not sum(shares) > 0:
        problems.append(f"weights={shares}, expected a share for each of {list(forecasts)}")
    for name, other in forecasts.items():
        if "realization" not in other.dims:
            problems.append(f"{name!r} has no dimension 'realization'; expand_dims('realization')")
        if set(other.data_vars) != set(forecast.data_vars):
            problems.append(f"{name!r} has other variables than the first; rename or drop them")
    InputError.raise_if(problems)
    share = dict(zip(forecasts, shares, strict=True))
    total = sum(share.values())
    size = min(
        forecasts[name].sizes["realization"] / (part / total)
        for name, part in share.items()
        if part
    )
    matched = forecast
    for name, other in forecasts.items():
        matched, _ = match(matched, other, f"{name!r}")
    parts, labels = [], []
    for name, other in forecasts.items():
        count = round(size * share[name] / total)
        _, same = match(matched, other, f"{name!r}")
        part = same[list(map(str, forecast.data_vars))].isel(realization=slice(count))
        parts.append(part.drop_vars("realization", errors="ignore"))
        labels += [name] * part.sizes["realization"]
    made = xr.concat(
        parts,
        "realization",
        join="exact",
        coords="minimal",
        data_vars="minimal",
        compat="override",
    )
    made = made.assign_coords(matched.drop_vars("realization", errors="ignore").coords)
    made = made.assign_coords(
        realization=(
            "realization",
            np.arange(len(labels), dtype=np.int32),
            {"standard_name": "realization", "units": "1"},
        ),
        source=("realization", np.array(labels), {"long_name": "forecast that the member is of"}),
    )
    made = made.transpose("time", "realization", ...)
    made.attrs = cf.extend_attrs(forecast, f"combined: {', '.join(forecasts)}")
    return made
