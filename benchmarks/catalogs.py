"""Catalogs: open and search one, and harmonise 20 simulations lazily."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from common import Settings, measure, median_and_spread, run_in_new_process, run_in_turn

__all__ = ["table"]

MODELS, MEMBERS, YEARS = 10, 2, 165
ROWS = 515_000
"""Rows of the public archive's table."""


class Run(NamedTuple):
    """Cost of a run."""

    seconds: float
    peak: float
    tasks: int
    note: str


def table(settings: Settings) -> pd.DataFrame:
    """Bare intake-esm is the baseline of opening; plain xarray on the same stores of the rest."""
    rows = 5_000 if settings.quick else ROWS
    large = _large_catalog(settings.folder / "large", rows)
    small = run_in_new_process(
        partial(_archive, settings.folder / "archive", 20 if settings.quick else YEARS)
    )
    jobs: dict[str, Callable[[], Run]] = {
        f"open {rows} rows and search, intake-esm": partial(_bare, large),
        f"open {rows} rows and search, xai4land": partial(_ours, large),
        "20 simulations, opened by intake-esm as they are": partial(_as_they_are, small),
        "20 simulations in one form": partial(_harmonised, small, None, False),
        "20 simulations in one form on 2.5°": partial(_harmonised, small, 2.5, False),
        "20 simulations in one form on 2.5°, computed": partial(_harmonised, small, 2.5, True),
    }
    runs = run_in_turn(jobs, settings.repeats)
    bases = {"open": next(iter(jobs)), "20": list(jobs)[2]}
    made = []
    for name, taken in runs.items():
        seconds, spread = median_and_spread([run.seconds for run in taken])
        base = median_and_spread([run.seconds for run in runs[bases[name.split()[0]]]])[0]
        made.append(
            {
                "what": name,
                "seconds": seconds,
                "spread %": spread,
                "times the baseline": seconds / base,
                "peak MB": median_and_spread([run.peak for run in taken])[0],
                "tasks": taken[0].tasks,
                "note": taken[0].note,
            }
        )
    return pd.DataFrame(made)


def _run(action: Callable[[], tuple[int, str]]) -> Run:
    found: list[tuple[int, str]] = []
    taken = measure(lambda: found.append(action()))
    return Run(taken.seconds, taken.peak, *found[0])


def _bare(path: Path) -> Run:
    from intake_esm.core import esm_datastore

    return _run(lambda: _searched(esm_datastore(str(path))))


def _ours(path: Path) -> Run:
    import intake_esm  # noqa: F401  (its import is not what is measured)

    import xai4land

    return _run(lambda: _searched(xai4land.open_catalog(path)))


def _searched(store) -> tuple[int, str]:
    found = store.search(source_id="MODEL-3", variable_id="tas", experiment_id="historical")
    return 0, f"{len(found.df)} rows found"


def _as_they_are(path: Path) -> Run:
    import intake_esm  # noqa: F401

    import xai4land

    def action() -> tuple[int, str]:
        store = xai4land.open_catalog(path)
        found = store.to_dataset_dict(progressbar=False, xarray_open_kwargs={"chunks": {}})
        return sum(len(d.__dask_graph__()) for d in found.values()), f"{len(found)} datasets"

    return _run(action)


def _harmonised(path: Path, grid: float | None, compute: bool) -> Run:
    import intake_esm  # noqa: F401

    import xai4land
    from xai4land.catalogs import open_simulations, stack_simulations

    def action() -> tuple[int, str]:
        made = open_simulations(xai4land.open_catalog(path), grid=grid)
        if grid is None:
            return sum(len(d.__dask_graph__()) for d in made.values()), f"{len(made)} datasets"
        stacked = stack_simulations(made)
        note = f"{stacked.tas.nbytes / 1e6:.0f} MB when computed"
        if compute:
            start = time.perf_counter()
            mean = float(stacked.tas.mean())
            note = f"mean {mean:.2f} K after {time.perf_counter() - start:.1f} s"
        return len(stacked.__dask_graph__()), note

    return _run(action)


def _description(file: str) -> dict[str, object]:
    return {
        "esmcat_version": "0.1.0",
        "id": "bench",
        "catalog_file": file,
        "attributes": [],
        "assets": {"column_name": "zstore", "format": "zarr"},
        "aggregation_control": {
            "variable_column_name": "variable_id",
            "groupby_attrs": ["source_id", "experiment_id", "table_id"],
            "aggregations": [
                {"type": "union", "attribute_name": "variable_id"},
                {"type": "join_new", "attribute_name": "member_id"},
            ],
        },
    }


def _large_catalog(folder: Path, rows: int) -> Path:
    """Write a table as large as the public archive's; its stores do not exist."""
    folder.mkdir()
    number = np.arange(rows)
    table = pd.DataFrame(
        {
            "source_id": [f"MODEL-{k}" for k in number % 60],
            "experiment_id": np.array(["historical", "ssp245", "piControl"])[number // 60 % 3],
            "member_id": [f"r{k}i1p1f1" for k in number // 180 % 40],
            "table_id": "Amon",
            "variable_id": np.array(["tas", "pr", "psl", "ua", "va"])[number // 7200 % 5],
        }
    )
    table["zstore"] = [
        f"gs://cmip6/CMIP6/{'/'.join(row)}/{k}/"
        for k, row in zip(number, table.to_numpy(str), strict=True)
    ]
    table.to_csv(folder / "large.csv", index=False)
    path = folder / "large.json"
    path.write_text(json.dumps(_description(str(folder / "large.csv"))))
    return path


def _archive(folder: Path, years: int) -> Path:
    """Twenty simulations of monthly temperature on five grids and three calendars."""
    rows = []
    folder.mkdir()
    rng = np.random.default_rng(0)
    for model in range(MODELS):
        step = (2.5, 2.0, 1.875, 3.0, 3.75)[model % 5]
        lat = np.arange(-90 + step / 2, 90, step)
        lon = np.arange(0, 360, step)
        calendar = ("standard", "noleap", "360_day")[model % 3]
        time_ = xr.date_range(
            "1850-01", periods=12 * years, freq="MS", calendar=calendar, use_cftime=True
        )
        for member in range(MEMBERS):
            values = 280 + rng.standard_normal((time_.size, lat.size, lon.size), np.float32)
            data = xr.Dataset(
                {"tas": (("time", "lat", "lon"), values, {"units": "K"})},
                {"time": time_, "lat": lat, "lon": lon},
            ).chunk(time=240)
            data["time"].attrs["standard_name"] = "time"
            data["lat"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
            data["lon"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
            path = folder / f"{model}-{member}.zarr"
            data.to_zarr(path, zarr_format=2, consolidated=True)
            rows.append(
                {
                    "source_id": f"MODEL-{model}",
                    "experiment_id": "historical",
                    "member_id": f"r{member + 1}i1p1f1",
                    "table_id": "Amon",
                    "variable_id": "tas",
                    "zstore": path.as_uri(),
                }
            )
    pd.DataFrame(rows).to_csv(folder / "archive.csv", index=False)
    path = folder / "archive.json"
    path.write_text(json.dumps(_description(str(folder / "archive.csv"))))
    return path
