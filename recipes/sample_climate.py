"""Compare the emulator with the best possible forecast, where that is known.

    python recipes/sample_climate.py [NETWORKS [EPOCHS [SEED]]]

Learns from 600 years of the sample climate (seed 1), forecasts 1600-1850 of another run of it (seed
0), and prints each forecast's share of the best possible correlation, means over cells and four
seasons, and the spread of means over regions beside their errors. About 8 minutes a network on one
core.
"""

from __future__ import annotations

import sys

import xai4land
from xai4land_seasonal import fit, forecast, verify
from xai4land_seasonal.data.seasons import STANDARD_SEASONS
from xai4land_seasonal.demo import shares_of_best

CLIMATOLOGY = (1500, 1599)
REFERENCES = (
    "climatology",
    "persistence",
    "damped persistence",
    "trend + damped persistence",
    "eof-ridge",
    "analogs",
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


def main(networks: int, epochs: int, seed: int) -> None:
    """Fit, forecast, score."""
    training = xai4land.sample("climate", seed=1, years=range(1300, 1900))[["tas"]]
    climate = xai4land.sample("climate", years=range(1500, 1851))[["tas"]]
    emulator = fit(
        training,
        name="limit",
        parameters={"networks": networks},
        epochs=epochs,
        seed=seed,
    )
    made = forecast(
        climate,
        STANDARD_SEASONS,
        years=range(1600, 1851),
        emulator=emulator,
        climatology=CLIMATOLOGY,
    )
    made = made.compute()
    scores = verify(
        made,
        climate,
        references=REFERENCES,
        metrics=["acc", "msess", "crpss"],
        climatology=CLIMATOLOGY,
    )
    print(shares_of_best(scores.compute()).round(3))
    areas = verify(
        made,
        climate,
        references=["climatology"],
        metrics=["spread_error"],
        dim=("time", "season"),
        regions=AREAS,
        climatology=CLIMATOLOGY,
    )
    print("spread/error of means over regions")
    print(areas["spread_error"].isel(forecast=0).to_pandas().round(3))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] + ["1", "10", "0"][len(sys.argv) - 1 :]))
