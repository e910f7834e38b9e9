"""Train ``seasonal`` on simulations and observations, and report on years that were not used.

    python recipes/seasonal.py FOLDER [OUT] [--epochs 15] [--networks 2]

``FOLDER`` holds ``gistemp_2deg_188001-200012.nc`` (GISTEMP, monthly anomalies) and the ``CMIP6``
tree with ``tas`` of ACCESS-ESM1-5's piControl and 1pctCO2 runs. Further simulations beside them,
NorESM1-M from 20 EOFs and IPSL-CM6A-LR on 20°, do not resolve the grid: they serve the regression
on leading patterns. Three fits with one set of settings, about 15 minutes each on one core:

1. on observations up to 1960; 1961-1980 choose the blend, and the size and scale of the noise;
2. on observations up to 1980, with these; 1981-2000 are forecast and reported;
3. on observations up to 2000, with these: what is saved.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cf_xarray  # noqa: F401  (registers .cf)
import xarray as xr

from xai4land_seasonal import SeasonalEmulator, fit, forecast, summarise, verify
from xai4land_seasonal.data.seasons import STANDARD_SEASONS

YEARS = range(1981, 2001)
REFERENCES = (
    "climatology",
    "trend",
    "persistence",
    "damped persistence",
    "trend + damped persistence",
    "eof-ridge",
    "analogs",
)
METRICS = (
    "acc",
    "residual_correlation",
    "rmse",
    "bias",
    "msess",
    "spread_error",
    "crps",
    "crpss",
    "rpss",
    "roc_below",
    "roc_above",
)
AREAS = (
    "globe",
    "tropics",
    "northern_extratropics",
    "southern_extratropics",
    "europe",
    "north_america",
    "asia",
    "nino34",
)
AREA_METRICS = ("acc", "crpss", "spread_error")
SMOOTH = {
    "NorESM1-M": "tas_Amon_NorESM1-M-eof20_historical-rcp45_r1i1p1_186101-210012.nc",
    **{
        f"IPSL-CM6A-LR {run}": f"tas_Amon_IPSL-CM6A-LR_{run}i1p1f1_gr18x9_201501-210012.nc"
        for run in ("ssp126_r1", "ssp585_r1", "ssp585_r2")
    },
}


def read_observations(folder: Path) -> xr.Dataset:
    """Return GISTEMP with CF coordinates."""
    data = xr.open_dataset(folder / "gistemp_2deg_188001-200012.nc")
    return data.cf.guess_coord_axis()[["tas_anomaly"]].load()


def read_simulations(folder: Path) -> dict[str, xr.Dataset]:
    """Return the temperature of both simulations."""
    files = {
        name: next(folder.glob(f"CMIP6/CMIP/CSIRO/ACCESS-ESM1-5/{name}/**/tas_Amon_*.nc"))
        for name in ("piControl", "1pctCO2")
    }
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    return {k: xr.open_dataset(f, decode_times=coder).load() for k, f in files.items()}


def read_smooth_simulations(folder: Path) -> dict[str, xr.Dataset]:
    """Return the temperature of simulations that do not resolve the grid, those that are there."""
    return {
        name: xr.open_dataset(folder / file).cf.guess_coord_axis()[["tas"]].load()
        for name, file in SMOOTH.items()
        if (folder / file).exists()
    }


def fit_until(
    obs: xr.Dataset,
    simulations: dict[str, xr.Dataset],
    smooth: dict[str, xr.Dataset],
    last: int,
    **options: Any,
) -> SeasonalEmulator:
    """Fit an emulator to observations up to a year."""
    return fit(
        obs.sel(time=slice(None, str(last))),
        simulations=simulations | smooth,
        smooth=list(smooth),
        grid=simulations["piControl"]["tas"],
        predictors=["tas"],
        leads=range(6),
        name="seasonal",
        title="Seasonal anomalies of 2 m temperature, 0 to 5 months ahead, on 10°",
        licence="weights: CC-BY-SA-4.0, as the CMIP6 output of CSIRO-ARCCSS ACCESS-ESM1-5 that "
        "they learned from; that of IPSL-CM6A-LR (CC-BY-4.0) and NorESM1-M (CMIP5, unrestricted); "
        "and NASA GISTEMP (public domain)",
        command="python recipes/seasonal.py FOLDER",
        **options,
    )


def report(emulator: SeasonalEmulator, data: xr.Dataset) -> xr.Dataset:
    """Print scores of 1981-2000 with intervals, beside the references; return those of cells."""
    made = forecast(data, STANDARD_SEASONS, years=YEARS, emulator=emulator).compute()
    how: dict[str, Any] = {"references": REFERENCES, "intervals": 500}
    whole = ("time", "season", "lat", "lon")
    scores = verify(made, data, metrics=METRICS, dim=whole, **how).compute()
    print(summarise(scores).round(3).to_string())
    for name in ("acc", "msess", "crpss", "rpss"):
        print(f"{name}: gain over the others, 90 % intervals")
        print(scores[f"{name}_gain_interval"].to_pandas().round(3).to_string())
    areas = verify(made, data, metrics=AREA_METRICS, dim=whole[:2], regions=AREAS, **how).compute()
    for name in AREA_METRICS:
        print(f"{name} of means over regions")
        print(areas[name].to_pandas().round(3).to_string())
    print(areas["spread_error_interval"].isel(forecast=0).to_pandas().round(3).to_string())
    seasons = verify(made, data, metrics=["acc"], regions=["nino34"], references=REFERENCES)
    print("acc of Nino3.4 by season")
    print(seasons["acc"].squeeze("region").to_pandas().round(3).to_string())
    for lead in emulator.card.leads:
        ahead = forecast(data, STANDARD_SEASONS, lead=lead, years=YEARS, emulator=emulator)
        few = verify(ahead.compute(), data, metrics=METRICS, dim=whole, references=["climatology"])
        print(f"lead {lead}")
        print(summarise(few.compute()).iloc[:1].round(3).to_string())
    for first in ("1880", "1920", "1950"):
        past = data.sel(time=slice(first, None))
        short = forecast(past, STANDARD_SEASONS, years=YEARS, emulator=emulator).compute()
        few = verify(short, data, metrics=METRICS, dim=whole, references=["climatology"])
        print(f"past from {first}")
        print(summarise(few.compute()).iloc[:1].round(3).to_string())
    return scores


def main(folder: Path, out: Path, epochs: int, networks: int) -> None:
    """Make all three fits."""
    obs, simulations = read_observations(folder), read_simulations(folder)
    models = (simulations, read_smooth_simulations(folder))
    options: dict[str, Any] = {
        "parameters": {"networks": networks},
        "settings": {"epochs": epochs, "simulation_weight": 1.0},
    }
    chosen = fit_until(obs, *models, 1980, validation=20, **options)
    chosen.save(out.with_stem(f"{out.stem}-1960"))
    print(chosen.card.blend, chosen.card.spread, chosen.card.noise_power, flush=True)
    options |= {"validation": 0, "chosen": chosen}
    tested = fit_until(obs, *models, 1980, **options)
    tested.save(out.with_stem(f"{out.stem}-1980"))
    ours = summarise(report(tested, obs)).iloc[0]
    emulator = fit_until(obs, *models, 2000, **options)
    metrics = {f"{k} 1981-2000": round(float(v), 3) for k, v in ours.items()}
    SeasonalEmulator(emulator.card.with_(metrics=metrics), emulator.weights).save(out)
    print(f"wrote {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("seasonal.safetensors"))
    parser.add_argument("--epochs", type=int, default=15, help="of each network")
    parser.add_argument("--networks", type=int, default=2)
    main(**vars(parser.parse_args()))
