"""Train ``leaf-area`` on monthly leaf area of a few places, and on the Earth's of 2014.

    python recipes/leaf_area.py FOLDER [OUT]

``FOLDER`` holds ``lai/``, ``land/`` and ``climate/`` (see ``leaf_area_places.py``). Each place counts
the same. The Earth's map bounds the mean of four months of a cell, where no place tells the months.
Each place is left out once, with the cells of the map within three degrees, and so is each of
Köppen's main zones; what is reported, and the spread, comes from these.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from leaf_area_places import CLASSES, PLACES, SEASONS, read_earth, read_places, temperature_at
from scipy.optimize import nnls
from torch.nn import functional as F

from xai4land.emulator.build import build
from xai4land_land.leaf.climate import compute_day_length
from xai4land_land.leaf.fitting import describe_classes
from xai4land_land.leaf.outputs import LeafAreaCard, LeafAreaEmulator

SPLITS = (("Sweden",), ("Japan", "Kansai"), ("southwest China",), ("Arcachon",))
"""Places that are left out together: Kansai lies in Japan."""
ZONES = {"tropical": (1, 4), "dry": (5, 8), "temperate": (9, 17), "cold": (18, 29)}
"""Köppen-Geiger classes, first and last."""
BOUNDS = {"forest": 8, "nonforest_natural": 7, "cropland": 7, "crop_mosaic": 7, "urban": 5}
MEMBERS, WIDTH = 3, 8
STEPS, BATCH = 250, 32
MARGIN = 3.0
"""Degrees around a place that is left out within which the Earth's map is left out too."""
FOUR = [month - 1 for month in SEASONS]
MAX_CELLS, MAX_PIXELS = 4000, 600
"""Cells of the Earth and pixels of a place that are learned from."""


def describe() -> LeafAreaCard:
    """Return the card: fractions, the temperature of a year, and the length of the day."""
    fractions = xr.Dataset({name: ((), 0.0) for name in CLASSES})
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
    height = {"name": "elevation", "role": "static", "units": "m", "valid_range": (-500, 9000), "scale": 1000}
    return LeafAreaCard(
        name="leaf-area",
        title="Monthly leaf area index, as MODIS sees it in a mean year",
        architecture={"name": "months-mlp", "parameters": {"width": MEMBERS * WIDTH}},
        inputs=[*({"name": n, **share} for n in leaves.coarse_inputs), *lags, *days, height],
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


def train(tables: dict[str, Table], keep: dict[str, np.ndarray]) -> torch.nn.Module:
    """Train members on the pixels of each table that are kept, and join them."""
    members = [_train_one(tables, keep, seed) for seed in range(MEMBERS)]
    return join(members)


def _train_one(
    tables: dict[str, Table], keep: dict[str, np.ndarray], seed: int
) -> torch.nn.Module:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = build(CARD.with_(architecture={"name": "months-mlp", "parameters": {"width": WIDTH}}))
    brighter = torch.zeros(1, requires_grad=True)  # of the map of 2014, another version of MODIS
    optimiser = torch.optim.AdamW([*network.parameters(), brighter], lr=1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, STEPS, pct_start=0.1)
    names = [n for n, t in tables.items() if n != "Earth" and keep[n][t.chosen].any()]
    for _ in range(STEPS):
        loss = 0.25 * brighter.square().sum()
        for name in names:
            at = tables[name].draw(BATCH, rng, keep[name])
            loss = loss + _loss(*answer(network, tables[name], at), tables[name].truth[at]) / 3
        earth = tables["Earth"]
        at = earth.draw(4 * BATCH, rng, keep["Earth"])
        made = answer(network, earth, at)[0][:, FOUR].mean(1)
        loss = loss + F.huber_loss(made, brighter.exp() * earth.truth[at, 0])
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


def fit_classes(
    tables: dict[str, Table], keep: dict[str, np.ndarray], table: Table
) -> np.ndarray:
    """Return what leaf area by class and month says of a table (non-negative least squares)."""
    made = np.empty((table.all.size, 12))
    known = {n: np.flatnonzero(keep[n]) for n in tables if n != "Earth" and keep[n].any()}
    for month in range(12):
        rows, values = [], []
        for name, at in known.items():
            truth = tables[name].truth.numpy()[at, month]
            ok = np.isfinite(truth)
            weight = 1 / np.sqrt(max(ok.sum(), 1))
            rows.append(tables[name].fractions.numpy()[at][ok] * weight)
            values.append(truth[ok] * weight)
        leaves, _ = nnls(np.concatenate(rows).astype(float), np.concatenate(values).astype(float))
        made[:, month] = table.fractions.numpy() @ leaves
    return made


def score(made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return RMSE, bias, R² over pixels and months, and the correlation of the mean cycle."""
    known = np.isfinite(truth)
    error = (made - truth)[known]
    found = {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "bias": float(error.mean()),
        "r2": float(1 - np.mean(error**2) / truth[known].var()),
        "cycle": float(np.corrcoef(np.nanmean(truth, 0), np.nanmean(made, 0))[0, 1]),
    }
    return {name: round(value, 3) for name, value in found.items()}


def without(tables: dict[str, Table], out: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the pixels that are kept when places are left out."""
    earth = tables["Earth"]
    keep = {n: np.full(t.all.size, n not in out and n in SHIPS) for n, t in tables.items()}
    keep["Earth"] = np.ones(earth.all.size, bool)
    for name in out:
        lat, lon = tables[name].lat, tables[name].lon
        near = (abs(earth.lat - np.mean([lat.min(), lat.max()])) < np.ptp(lat) / 2 + MARGIN) & (
            abs(earth.lon - np.mean([lon.min(), lon.max()])) < np.ptp(lon) / 2 + MARGIN
        )
        keep["Earth"] &= ~near
    return keep


def without_zone(tables: dict[str, Table], zone: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the pixels that are kept when a zone is left out."""
    kept = {n: (t.koppen < zone[0]) | (t.koppen > zone[1]) for n, t in tables.items()}
    return {n: k & (n in SHIPS or n == "Earth") for n, k in kept.items()}


SHIPS = [name for name, place in PLACES.items() if place.ships]

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    out = Path(sys.argv[2] if len(sys.argv) > 2 else "leaf-area.safetensors")
    torch.set_num_threads(1)
    koppen = xr.open_dataset(folder / "land" / "global_static_0p1.nc").koppen
    places = read_places(folder)
    for name, place in places.items():
        place["tas"] = temperature_at(place, folder)
        nearest = koppen.sel(lat=place.lat, lon=place.lon, method="nearest")
        place["koppen"] = nearest.assign_coords(lat=place.lat, lon=place.lon)
    earth = read_earth(folder)
    earth["tas"] = temperature_at(earth, folder)
    tables = {name: Table(place, MAX_PIXELS) for name, place in places.items()}
    tables["Earth"] = Table(earth, MAX_CELLS)
    print({name: table.all.size for name, table in tables.items()}, flush=True)

    metrics: dict[str, dict[str, dict[str, float]]] = {}
    ratios = []

    def report(kind: str, name: str, made: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> None:
        """Print and keep the scores of the emulator and of leaf area by class and month."""
        scores = {"emulator": score(made, truth), "by class and month": score(reference, truth)}
        metrics.setdefault(kind, {})[name] = scores["emulator"]
        for source, found in scores.items():
            print(f"{kind:6s} {name:16s} {source:18s} {found}", flush=True)

    for left_out in (*SPLITS, ("Piave", "Fraser")):
        keep = without(tables, left_out)
        network = train(tables, keep)
        for name in left_out:
            made, spread = predict(network, tables[name])
            truth = tables[name].truth.numpy()
            report("place", name, made, fit_classes(tables, keep, tables[name]), truth)
            ratios.append(np.nanquantile(abs(made - truth) / spread, 0.9))
    for name, zone in ZONES.items():
        keep = without_zone(tables, zone)
        network = train(tables, keep)
        held = {n: (t.koppen >= zone[0]) & (t.koppen <= zone[1]) for n, t in tables.items()}
        parts = [n for n in SHIPS if held[n].sum() > 30]
        if parts:
            found = [(predict(network, tables[n])[0], fit_classes(tables, keep, tables[n])) for n in parts]
            made, reference = (np.concatenate([f[k][held[n]] for f, n in zip(found, parts, strict=True)]) for k in (0, 1))
            truth = np.concatenate([tables[n].truth.numpy()[held[n]] for n in parts])
            report("zone", name, made, reference, truth)
        cells = tables["Earth"]
        here = held["Earth"]
        mean = predict(network, cells)[0][here][:, FOUR].mean(1, keepdims=True)
        print("   map of 2014", score(mean, cells.truth.numpy()[here]), flush=True)

    network = train(tables, without(tables, ()))
    outputs = CARD.outputs.model_copy(update={"spread": round(float(np.mean(ratios)) / 1.645, 3)})
    card = CARD.with_(
        outputs=outputs.model_dump(),
        training={
            "data": "monthly leaf area of MODIS in Sweden, Japan, Kansai, southwest China and around "
            "Arcachon; MODIS of 2014 (NEO) of the Earth, mean of four months; temperature of "
            "NCEP/NCAR, mean of 1971 to 2000, at the elevation of the pixel",
            "command": "python recipes/leaf_area.py FOLDER OUT",
            "limits": "a mean year of a handful of places; no rain; spread and scores from places "
            "that were left out",
        },
        metrics={f"{kind} left out": found for kind, found in metrics.items()},
    )
    LeafAreaEmulator(card, network.state_dict()).save(out)
    print(f"wrote {out}, {out.stat().st_size / 1e3:.0f} kB, spread {outputs.spread}")
