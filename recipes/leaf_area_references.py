"""References in places that were left out, and how sure scores are.

They are those of ``xai4land_land.leaf_area_reference``, which learn from the same pixels as the
emulator, from fractions and twelve months of temperature. Here a place has one mean year: its own
climatology would be the truth, and there are no anomalies that could persist.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from leaf_area_learning import CARD, EARTH, Table

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.scores.significance import block_bootstrap
from xai4land_land.leaf.cases import LAGS, Cases
from xai4land_land.leaf.references import REFERENCES
from xai4land_land.leaf.zones import ZONES

__all__ = ["REFERENCE_NAMES", "make_references", "score"]

REFERENCE_NAMES = ("zone_climatology", "regression", "boosting")
MAIN_ZONES = {"Aw": (1, 4), "BS": (5, 8), "Cf": (9, 17), "Df": (18, 29)}
"""Köppen-Geiger classes, first and last, under a zone that stands for all of them."""
NO_GRID = Grid(Axis(np.array([0.5, -0.5])), Axis(np.array([0.0, 1.0])))
"""Pixels of several places have none in common."""
SIDES, MIN_BLOCKS = 5, 8
"""Blocks along a side of a place, and how many of them intervals need."""
SAMPLES, LEVEL = 300, 0.9
TAS = next(spec for spec in CARD.inputs if spec.name == "tas_lag_0")


def make_references(
    tables: Mapping[str, Table], keep: Mapping[str, np.ndarray], table: Table
) -> dict[str, np.ndarray]:
    """Return what each reference says of a table, (pixels, 12), from pixels of others."""
    learned = [
        _form_cases(t, t.chosen[keep[n][t.chosen]])
        for n, t in tables.items()
        if n != EARTH and keep[n][t.chosen].any()
    ]
    cases, held = _join(learned), _form_cases(table, np.arange(table.all.size))
    return {n: np.maximum(REFERENCES[n](cases)(held), 0).T for n in REFERENCE_NAMES}


def _form_cases(table: Table, at: np.ndarray) -> Cases:
    """Return the mean year of pixels, after another one like it."""
    tas = table.x[at, CARD.slots["tas_lag_0"], :, 0].numpy().T * TAS.scale + TAS.offset - 273.15
    koppen = table.koppen[at]
    zones = np.full(at.size, ZONES.index("ET"))
    for name, (first, last) in MAIN_ZONES.items():
        zones[(koppen >= first) & (koppen <= last)] = ZONES.index(name)
    return Cases(
        grid=NO_GRID,
        pixels=np.arange(at.size),
        lat=table.lat[at],
        months=np.arange(12),
        maps=np.zeros(12, np.int64),
        cover=table.fractions[at].numpy()[None],
        climate={"tas": np.concatenate([tas[-(LAGS - 1) :], tas]).astype(np.float32)},
        zones=zones,
        known=table.truth[at].numpy().T,
    )


def _join(parts: list[Cases]) -> Cases:
    """Join the pixels of several places."""
    return Cases(
        grid=NO_GRID,
        pixels=np.arange(sum(part.pixels.size for part in parts)),
        lat=np.concatenate([part.lat for part in parts]),
        months=parts[0].months,
        maps=parts[0].maps,
        cover=np.concatenate([part.cover for part in parts], 1),
        climate={"tas": np.concatenate([part.climate["tas"] for part in parts], 1)},
        zones=np.concatenate([part.zones for part in parts]),
        known=np.concatenate([part.known for part in parts], 1),
    )


def score(
    made: np.ndarray,
    truth: np.ndarray,
    lat: np.ndarray | None = None,
    lon: np.ndarray | None = None,
) -> dict[str, object]:
    """Return RMSE, bias, R² over pixels and months, and the correlation of the mean cycle.

    With ``lat`` and ``lon`` also the 90 % intervals of RMSE and R², from blocks of the place that
    are drawn with replacement, if there are enough.
    """
    known = np.isfinite(truth)
    error = np.where(known, made - truth, 0.0)
    sums = np.stack(
        [known.sum(1), error.sum(1), (error**2).sum(1), *_moments(truth, known)], -1
    ).astype(float)
    mean = sums.sum(0)
    rmse, r2 = _summarise(xr.DataArray(sums, dims=("block", "part"))).values
    found: dict[str, object] = {
        "rmse": round(float(rmse), 3),
        "bias": round(float(mean[1] / mean[0]), 3),
        "r2": round(float(r2), 3),
        "cycle": round(
            float(np.corrcoef(np.nanmean(truth, 0), np.nanmean(made, 0))[0, 1])
            if truth.shape[1] > 1
            else np.nan,
            3,
        ),
    }
    if lat is None or lon is None:
        return found
    lines = [np.floor(SIDES * (x - x.min()) / (np.ptp(x) + 1e-9)) for x in (lat, lon)]
    _, block = np.unique(lines[0] * SIDES + lines[1], return_inverse=True)
    grouped = np.zeros((block.max() + 1, sums.shape[1]))
    np.add.at(grouped, block, sums)
    if len(grouped) >= MIN_BLOCKS:
        blocks = xr.DataArray(grouped, dims=("block", "part"))
        bounds = block_bootstrap(
            _summarise, blocks, dim="block", block=1, samples=SAMPLES, level=LEVEL
        ).transpose("bound", "score")
        for k, name in enumerate(("rmse", "r2")):
            found[f"{name}_interval"] = bounds.values[:, k].round(2).tolist()
    return found


def _moments(truth: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.where(known, truth, 0.0)
    return values.sum(1), (values**2).sum(1)


def _summarise(blocks: xr.DataArray) -> xr.DataArray:
    """Return RMSE and R² from sums."""
    n, _, ee, t, tt = blocks.sum("block").values
    scores = [np.sqrt(ee / n), 1 - ee / (tt - t * t / n)]
    return xr.DataArray(scores, {"score": ["rmse", "r2"]}, ("score",))
