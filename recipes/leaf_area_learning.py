"""The network of ``leaf-area``, and how it learns from places and from the Earth's map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from leaf_area_places import CLASSES, SEASONS
from torch.nn import functional as F

from xai4land.emulator.build import build
from xai4land_land.leaf.climate import compute_day_length
from xai4land_land.leaf.fitting import describe_classes
from xai4land_land.leaf.emulator import LeafAreaCard

BOUNDS = {"forest": 8, "nonforest_natural": 7, "cropland": 7, "crop_mosaic": 7, "urban": 5}
EARTH = "Earth"
FOUR = [month - 1 for month in SEASONS]
EARTH_FACTOR = 0.9
"""Of the map of 2014, of another version of MODIS: where both are known, the places have 0.91 of it
(southwest China), 0.90 (Japan) and 0.85 (Kansai)."""
MEMBERS, WIDTH = 3, 8
STEPS, BATCH = 250, 32
MAX_CELLS, MAX_PIXELS = 4000, 600
"""Cells of the Earth and pixels of a place that are learned from."""


def describe() -> LeafAreaCard:
    """Return the card: fractions, the temperature of a year, and the length of the day."""
    fractions = xr.Dataset(dict.fromkeys(CLASSES, ((), 0.0)))
    leaves = describe_classes(fractions, BOUNDS)
    share = {"role": "dynamic", "valid_range": (0, 1), "offset": 0.5, "scale": 0.5}
    kelvin = {"role": "dynamic", "standard_name": "air_temperature", "units": "K"}
    hours = {"role": "dynamic", "units": "hours"}
    lags = [
        {"name": f"tas_lag_{k}", **kelvin, "valid_range": (190, 330), "offset": 283, "scale": 12}
        for k in range(leaves.lags)
    ]
    days = [
        {"name": "day_length", **hours, "valid_range": (0, 24), "offset": 12, "scale": 3},
        {"name": "day_length_change", **hours, "valid_range": (-24, 24), "scale": 1},
    ]
    height = {"units": "m", "valid_range": (-500, 9000), "scale": 1000}
    return LeafAreaCard(
        name="leaf-area",
        title="Monthly leaf area index, as MODIS sees it in a mean year",
        architecture={"name": "months-mlp", "parameters": {"width": MEMBERS * WIDTH}},
        inputs=[
            *({"name": n, **share} for n in leaves.coarse_inputs),
            *lags,
            *days,
            {"name": "elevation", "role": "static", **height},
        ],
        outputs=leaves,
        resolution={"target": 0.01, "states": 0.01, "coarsest": (0.5, 0.5)},
        window={"size": 32, "overlap": 0},
        licence="weights: Apache-2.0; trained on MODIS (NASA), NCEP/NCAR reanalysis (NOAA), ETOPO5 "
        "(NOAA) and WRF's geographic data (NCAR), all in the public domain, and Köppen-Geiger "
        "classes of Rubel et al. 2017",
    )


CARD = describe()
GROWING = CARD.outputs.coarse_inputs


class Table:
    """Pixels of a place with all that is learned from them.

    Attributes
    ----------
    x : Tensor, shape (pixels, channels, 12, 1)
    fractions : Tensor, shape (pixels, classes)
    truth : Tensor, shape (pixels, 12)
        Leaf area index of the months; of the Earth the mean of four, (pixels, 1).
    """

    def __init__(self, place: xr.Dataset, most: int, seed: int = 0) -> None:
        truth = place["leaf_area_index" if "leaf_area_index" in place else "leaf_area_mean"]
        truth = truth.transpose(..., "lat", "lon").values.reshape(-1, place.forest.size)
        tas = place.tas.transpose("month", "lat", "lon").values.reshape(12, -1)
        known = np.isfinite(truth).mean(0) > 0.8
        self.all = np.flatnonzero(known & np.isfinite(tas).all(0) & (self._flat(place.forest) >= 0))
        self.lat, self.lon, self.koppen = (
            self._flat(a)[self.all] for a in xr.broadcast(place.lat, place.lon, place.koppen)
        )
        self.truth = torch.tensor(truth.T[self.all], dtype=torch.float32)
        fractions = np.stack([self._flat(place[name])[self.all] for name in GROWING], 1)
        self.fractions = torch.tensor(fractions, dtype=torch.float32)
        self.x = self._inputs(tas.T[self.all], self._flat(place.elevation)[self.all])
        rng = np.random.default_rng(seed)
        self.chosen = np.sort(rng.permutation(self.all.size)[:most])

    @staticmethod
    def _flat(array: xr.DataArray) -> np.ndarray:
        return array.transpose("lat", "lon").values.ravel()

    def _inputs(self, tas: np.ndarray, elevation: np.ndarray) -> torch.Tensor:
        """Return what the network sees; the year before is the same."""
        now, before = (compute_day_length(self.lat, np.arange(12) - k).T for k in (0, 1))
        values = {f"tas_lag_{k}": np.roll(tas, k, 1) for k in range(12)}
        values["elevation"] = np.repeat(elevation[:, None], 12, 1)
        values |= {"day_length": now, "day_length_change": now - before}
        x = torch.zeros(self.all.size, CARD.channels, 12, 1)
        for spec in CARD.inputs:
            if spec.name in values:
                scaled = (values[spec.name] - spec.offset) / spec.scale
                x[:, CARD.slots[spec.name], :, 0] = torch.tensor(scaled, dtype=torch.float32)
        return x

    def draw(self, count: int, rng: np.random.Generator, keep: np.ndarray) -> torch.Tensor:
        """Return numbers of pixels, of those that are kept."""
        return torch.from_numpy(rng.choice(self.chosen[keep[self.chosen]], count))


def answer(network: torch.nn.Module, table: Table, at: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return leaf area index and its spread, each of shape (pixels, 12)."""
    raw = network(table.x[at], None)[..., 0]
    bounds = torch.tensor([c.bound for c in CARD.outputs.classes])
    leaves = torch.sigmoid(raw[:, :-1]) * bounds[:, None]
    return (leaves * table.fractions[at][..., None]).sum(1), raw[:, -1].clamp(-6, 3).exp()


def train(tables: Mapping[str, Table], keep: Mapping[str, np.ndarray]) -> torch.nn.Module:
    """Train members on the pixels of each table that are kept, and join them."""
    members = [_train_one(tables, keep, seed) for seed in range(MEMBERS)]
    return join(members)


def _train_one(
    tables: Mapping[str, Table], keep: Mapping[str, np.ndarray], seed: int
) -> torch.nn.Module:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = build(CARD.with_(architecture={"name": "months-mlp", "parameters": {"width": WIDTH}}))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, STEPS, pct_start=0.1)
    names = [n for n, t in tables.items() if n != EARTH and keep[n][t.chosen].any()]
    for _ in range(STEPS):
        loss = torch.zeros(())
        for name in names:
            at = tables[name].draw(BATCH, rng, keep[name])
            loss = loss + _loss(*answer(network, tables[name], at), tables[name].truth[at]) / 3
        earth = tables[EARTH]
        at = earth.draw(4 * BATCH, rng, keep[EARTH])
        made = answer(network, earth, at)[0][:, FOUR].mean(1)
        loss = loss + F.huber_loss(made, EARTH_FACTOR * earth.truth[at, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _loss(mean: torch.Tensor, spread: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return Huber's loss of the mean, and what the spread costs, as the head of leaf area has."""
    known = torch.isfinite(truth)
    error = (mean - truth)[known]
    nats = error.detach().abs() / spread[known] + spread[known].log()
    return F.huber_loss(error, torch.zeros_like(error)) + 0.1 * nats.mean()


def join(members: list[torch.nn.Module]) -> torch.nn.Module:
    """Join networks side by side in one whose answer is the mean of theirs."""
    network, states = build(CARD), [m.state_dict() for m in members]
    joined = {
        "classes": torch.cat([s["classes"] for s in states], 1) / len(states),
        "bias": torch.stack([s["bias"] for s in states]).mean(0),
        "layers.0.weight": torch.cat([s["layers.0.weight"] for s in states]),
        "layers.0.bias": torch.cat([s["layers.0.bias"] for s in states]),
        "layers.2.weight": torch.block_diag(*(s["layers.2.weight"] for s in states)),
        "layers.2.bias": torch.cat([s["layers.2.bias"] for s in states]),
    }
    network.load_state_dict(joined)
    return network.eval()


@torch.no_grad()
def predict(network: torch.nn.Module, table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return leaf area index and spread of all pixels."""
    mean, spread = answer(network, table, torch.arange(table.all.size))
    return mean.numpy(), spread.numpy()
