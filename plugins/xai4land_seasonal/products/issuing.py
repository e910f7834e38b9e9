"""The coming season's forecast as a folder: data, maps and reports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import xarray as xr

from xai4land.errors import InputError, StoreError
from xai4land.files import delete, local_path, move_into_place, translate_os_errors
from xai4land.store import write
from xai4land_seasonal.data.climatology import Climatology, anomalies, describe
from xai4land_seasonal.data.monthly import as_dataset, read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.forecaster import Forecaster
from xai4land_seasonal.forecasting import forecast
from xai4land_seasonal.products.calibration import MIN_CALIBRATION_YEARS, calibrate
from xai4land_seasonal.products.forecast_maps import plot
from xai4land_seasonal.products.report import report
from xai4land_seasonal.products.terciles import tercile_probabilities

__all__ = ["issue"]

FORECAST, TERCILES, HINDCAST = "forecast.nc", "terciles.nc", "hindcast.nc"
SUFFIXES = (".nc", ".png", ".html")


def issue(
    data: xr.Dataset,
    folder: str | os.PathLike[str],
    *,
    leads: Sequence[int] = (1,),
    members: int = 100,
    emulator: str | os.PathLike[str] | Forecaster | None = None,
    climatology: Climatology = None,
    period: tuple[int, int] | None = None,
    hindcast: int = 0,
    calibrated: bool = False,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Forecast the coming seasons from the newest months, and write all that a forecaster needs.

    The folder gets ``forecast.nc`` (members) and ``terciles.nc`` (probabilities), and for each
    season a map and a report: ``DJF_2001_tas.png`` and ``DJF_2001.html``; with a hindcast also
    ``hindcast.nc``, and scores in the reports. It is whole or not there.

    Parameters
    ----------
    data : Dataset
        Monthly fields that end with the newest month, as for
        :func:`xai4land_seasonal.forecast`.
    folder : path-like
        Its parent must exist.
    leads : sequence of int
        Whole months between the newest month and a season: with 1, data up to October give DJF;
        (0, 1, 2) give NDJ, DJF and JFM.
    members, emulator, seed
        See :func:`xai4land_seasonal.forecast`.
    climatology : tuple of int, Dataset, DataArray or None
        Base of the anomalies, None if the data are anomalies already. It may lie in the hindcast's
        years, as is usual; its references then know the mean of these years.
    period : tuple of int, optional
        First and last year of the terciles; by default those of the climatology, or all.
    hindcast : int
        Years before, whose forecasts are made and scored beside; 0 for none.
    calibrated : bool
        Whether mean and spread are corrected by the hindcast; see
        :func:`xai4land_seasonal.calibrate`.
    overwrite : bool
        Whether a folder that was issued before may be replaced.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the data are not as a forecast needs them, years are too few, or options do not fit.
    StoreError
        If the folder exists and may not be replaced, or cannot be written.

    Examples
    --------
    >>> import tempfile, xai4land
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> made = issue(climate, tempfile.mkdtemp() + "/january", members=10,
    ...              emulator="damped persistence", climatology=(1931, 1959))
    >>> sorted(path.name for path in made.iterdir())
    ['FMA_1960.html', 'FMA_1960_tas.png', 'forecast.nc', 'terciles.nc']
    """
    folder = local_path(folder)
    _check_folder(folder, overwrite)
    leads = tuple(leads)
    InputError.raise_if(
        problem
        for wrong, problem in (
            (not leads or len(set(leads)) < len(leads), f"leads={leads}, expected each once"),
            (hindcast < 0, f"hindcast={hindcast}, expected a number of years"),
            (
                calibrated and hindcast <= MIN_CALIBRATION_YEARS,
                f"calibrated=True with hindcast={hindcast}, expected more than "
                f"{MIN_CALIBRATION_YEARS} years to calibrate on; give hindcast=30",
            ),
        )
        if wrong
    )
    data = _to_anomalies(data, climatology)
    if period is None and isinstance(climatology, tuple):
        period = climatology
    newest = int(number_months(data["time"])[-1])
    with _new_folder(folder) as draft:
        coming, past = [], []
        for lead in leads:
            start = newest + 1 + lead
            year = (start + 2) // 12
            made = forecast(
                data,
                SEASON_OF_MONTH[start % 12].name,
                lead=lead,
                years=range(year - hindcast, year + 1),
                members=members,
                emulator=emulator,
                seed=seed,
            )
            made = (calibrate(made, data) if calibrated else made).compute()
            _write_season(made, data, period, draft)
            coming.append(made.isel(time=[-1]))
            past.append(made.isel(time=slice(-1)))
        whole = _join(coming)
        write(whole, draft / FORECAST, progress=False)
        terciles = tercile_probabilities(whole, data, period=period)
        write(terciles, draft / TERCILES, progress=False)
        if hindcast:
            write(_join(past), draft / HINDCAST, progress=False)
    return folder


def _to_anomalies(data: xr.Dataset, climatology: Climatology) -> xr.Dataset:
    """Return monthly anomalies that name their base."""
    data = read_monthly(as_dataset(data))
    if climatology is None:
        return data
    made = anomalies(data, climatology)
    for name, array in made.data_vars.items():
        array.attrs["climatology_period"] = describe(climatology, data[name])
    return made


def _write_season(
    made: xr.Dataset, data: xr.Dataset, period: tuple[int, int] | None, folder: Path
) -> None:
    """Write the maps and the report of a season's last forecast."""
    last = made.isel(time=[-1])
    stem = f"{last['season'].item()}_{last['season_year'].item()}"
    terciles = tercile_probabilities(last, data, period=period)
    for name, array in last.data_vars.items():
        if "realization" in array.dims:
            figure = plot(last, terciles=terciles, variable=str(name))
            figure.savefig(folder / f"{stem}_{name}.png", dpi=150)
    report(made, folder / f"{stem}.html", obs=data, period=period)


def _join(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the forecasts of several leads along one time axis, in order."""
    joined = xr.concat(
        parts, "time", coords="minimal", data_vars="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip
    return joined.isel(time=np.argsort(joined["time"].values, kind="stable"))


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced, before the work."""
    if not folder.parent.is_dir():
        raise StoreError(f"there is no folder {folder.parent}; make it first")
    if not folder.exists():
        return
    if not overwrite:
        raise StoreError(f"{folder} exists; choose another folder, or overwrite=True")
    names = [] if not folder.is_dir() else sorted(path.name for path in folder.iterdir())
    others = [name for name in names if not name.endswith(SUFFIXES)]
    if others or FORECAST not in names:
        seen = f"it holds {others[0]}" if others else f"it has no {FORECAST}"
        raise StoreError(
            f"{folder} is no folder of a forecast ({seen}), and is not replaced; choose another"
        )


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a draft beside a folder; it becomes the folder when the block has ended well."""
    draft, aside = (
        folder.with_name(f".{folder.name}.{uuid4().hex}.{kind}") for kind in ("part", "old")
    )
    try:
        with translate_os_errors(folder, "choose a folder that can be written"):
            draft.mkdir()
            yield draft
            move_into_place(draft, folder, aside)
    finally:
        if aside.exists() and not folder.exists():  # the last step failed
            aside.rename(folder)
        for left in (draft, aside):
            delete(left)
