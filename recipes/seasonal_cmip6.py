"""Train one emulator of temperature and rain on many CMIP6 models and ERA5, from the catalogs.

    python recipes/seasonal_cmip6.py [OUT] [--members r1i1p1f1] [--models 30] [--last 2000]
    python recipes/seasonal_cmip6.py --sample

Opens every model of the archive that has temperature, precipitation and pressure of a historical
run and a scenario, and ERA5's monthly means; fits on 10 degrees to observations up to the last
year, of which 20 choose blend and spread; forecasts the later years, and prints scores of
both targets beside references. Rain is learned as its standardised index. What is read comes over
the network, some 0.3 GB a model: ``xai4land prefetch`` keeps a copy (docs/workflow-offline.md).

``--sample`` does the same in some minutes with a small network on the sample catalog, which needs
no network; its scores mean nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

import xai4land
from xai4land.catalogs import open_simulations
from xai4land_seasonal import SeasonalEmulator, fit, forecast, summarise, verify
from xai4land_seasonal.data.seasons import STANDARD_SEASONS

PREDICTORS, TARGETS = ["tas", "pr", "psl"], ["tas", "pr"]
GRID_LABELS = ("gn", "gr", "gr1")
"""In the order of preference; a model has one of them or several."""
REFERENCES = ("climatology", "trend", "damped persistence", "trend + damped persistence")
METRICS = ("acc", "msess", "crpss", "rpss", "spread_error", "roc_below", "roc_above")


@dataclass(frozen=True)
class Plan:
    """Where data are, and how to train on them."""

    models: str = "cmip6"
    observations: str = "era5"
    reanalysis: str = "ERA5"
    scenario: str = "ssp245"
    grid: float = 10.0
    last: int = 2000
    base: tuple[int, int] = (1961, 1990)
    validation: int = 20
    parameters: dict[str, int] = field(default_factory=lambda: {"networks": 3})
    epochs: int = 20


SAMPLE = Plan(
    "sample",
    "sample",
    "SAMPLE-ERA5",
    grid=20.0,
    last=1992,
    base=(1951, 1980),
    validation=8,
    parameters={"width": 16, "heads": 2, "depth": 1},
    epochs=2,
)


def open_models(plan: Plan, member: str, count: int) -> dict[str, xr.Dataset]:
    """Return the models that have all variables, lazily, each on the grid label it has first."""
    catalog = xai4land.open_catalog(plan.models)
    models: dict[str, xr.Dataset] = {}
    taken: set[str] = set()
    for label in GRID_LABELS:
        found = catalog.search(
            table_id="Amon",
            variable_id=PREDICTORS,
            experiment_id=["historical", plan.scenario],
            member_id=member,
            grid_label=label,
            require_all_on=["source_id"],
        )
        for source in sorted(set(found.df["source_id"]) - taken)[: count - len(taken)]:
            taken.add(source)
            models |= open_simulations(found.search(source_id=source), grid=plan.grid)
    return models


def open_observations(plan: Plan) -> xr.Dataset:
    """Return the reanalysis on the emulator's grid, lazily."""
    catalog = xai4land.open_catalog(plan.observations)
    found = catalog.search(
        source_id=plan.reanalysis, table_id="mon", variable_id=["t2m", "tp", "msl"]
    )
    [data] = open_simulations(found, grid=plan.grid).values()
    return data


def report(emulator: SeasonalEmulator, obs: xr.Dataset, plan: Plan) -> None:
    """Print scores of the years after the last one that was learned from."""
    years = range(plan.last + 1, int(obs.time.dt.year[-1]) + 1)
    how: dict[str, Any] = {"climatology": plan.base}
    made = forecast(obs, STANDARD_SEASONS, years=years, emulator=emulator, **how).compute()
    for target in TARGETS:
        scores = verify(
            made,
            obs,
            variable=target,
            references=REFERENCES,
            metrics=METRICS,
            dim=("time", "season", "lat", "lon"),
            **how,
        )
        print(f"{target}, {years[0]}-{years[-1]}")
        print(summarise(scores.compute()).round(3).to_string())


def main(out: Path, member: str, count: int, plan: Plan) -> None:
    """Open, fit, save, report."""
    models, obs = open_models(plan, member, count), open_observations(plan)
    print(f"{len(models)} models: {', '.join(models)}")
    obs = obs[PREDICTORS].load()
    emulator = fit(
        obs.sel(time=slice(None, str(plan.last))),
        simulations={name: data[PREDICTORS] for name, data in models.items()},
        predictors=PREDICTORS,
        targets=TARGETS,
        validation=plan.validation,
        parameters=plan.parameters,
        epochs=plan.epochs,
        name="seasonal-cmip6",
        title="Seasonal anomalies of temperature and precipitation one month ahead",
        licence="weights: CC-BY-SA-4.0, as the CMIP6 output that they learned from; ERA5: "
        "Copernicus licence",
        command="python recipes/seasonal_cmip6.py",
    )
    emulator.save(out)
    print(f"wrote {out}")
    report(emulator, obs, plan)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path, nargs="?", default=Path("seasonal-cmip6.safetensors"))
    parser.add_argument("--members", default="r1i1p1f1", help="the member of each model")
    parser.add_argument("--models", type=int, default=30, help="how many, at most")
    parser.add_argument("--last", type=int, default=2000, help="last year that is learned from")
    parser.add_argument("--sample", action="store_true", help="try it on the sample catalog")
    given = parser.parse_args()
    chosen = SAMPLE if given.sample else Plan(last=given.last)
    main(given.out, given.members, given.models, chosen)
