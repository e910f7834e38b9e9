"""Train ``leaf-area`` on monthly leaf area of a few places, and on the Earth's of 2014.

    python recipes/leaf_area.py FOLDER [OUT]

``FOLDER`` holds ``lai/``, ``land/`` and ``climate/``; ``leaf_area_places.py`` reads them. Each
place counts the same. The Earth's map tells the mean of four months of cells with warm winters,
where no place tells the months. Each place is left out once, with the cells of the map within three
degrees, and so is each of Köppen's main zones; the scores on the card and the spread come from
these.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from leaf_area_learning import CARD, EARTH, FOUR, MAX_CELLS, MAX_PIXELS, Table, predict, train
from leaf_area_places import PLACES, read_earth, read_places, temperature_at
from leaf_area_references import make_references, score
from scipy.optimize import nnls

from xai4land_land.leaf.emulator import LeafAreaEmulator

SPLITS = (
    ("Sweden",),
    ("Japan", "Kansai"),
    ("southwest China",),
    ("Arcachon",),
    ("Piave", "Fraser"),
)
"""Places that are left out together: Kansai lies in Japan. The last two never train."""
ZONES = {"tropical": (1, 4), "dry": (5, 8), "temperate": (9, 17), "cold": (18, 29)}
"""Köppen-Geiger classes, first and last."""
MARGIN = 3.0
"""Degrees around a place that is left out within which the Earth's map is left out too."""
MIN_PIXELS = 30
"""Of a zone in a place, to be scored."""
SHIPS = [name for name, place in PLACES.items() if place.ships]


def fit_classes(
    tables: Mapping[str, Table], keep: Mapping[str, np.ndarray], table: Table
) -> np.ndarray:
    """Return what leaf area by class and month says of a table (non-negative least squares)."""
    made = np.empty((table.all.size, 12))
    known = {n: np.flatnonzero(keep[n]) for n in tables if n != EARTH and keep[n].any()}
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


def without(tables: Mapping[str, Table], out: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the pixels that are kept when places are left out."""
    earth = tables[EARTH]
    keep = {n: np.full(t.all.size, n not in out and n in SHIPS) for n, t in tables.items()}
    keep[EARTH] = np.ones(earth.all.size, bool)
    for name in out:
        lat, lon = tables[name].lat, tables[name].lon
        near = (abs(earth.lat - np.mean([lat.min(), lat.max()])) < np.ptp(lat) / 2 + MARGIN) & (
            abs(earth.lon - np.mean([lon.min(), lon.max()])) < np.ptp(lon) / 2 + MARGIN
        )
        keep[EARTH] &= ~near
    return keep


def without_zone(tables: Mapping[str, Table], zone: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the pixels that are kept when a zone is left out."""
    kept = {n: (t.koppen < zone[0]) | (t.koppen > zone[1]) for n, t in tables.items()}
    return {n: k & (n in SHIPS or n == EARTH) for n, k in kept.items()}


def make_tables(folder: Path) -> dict[str, Table]:
    """Read all places and the Earth."""
    koppen = xr.open_dataset(folder / "land" / "global_static_0p1.nc").koppen.load()
    places = read_places(folder)
    for place in places.values():
        nearest = koppen.sel(lat=place.lat, lon=place.lon, method="nearest")
        place["koppen"] = nearest.assign_coords(lat=place.lat, lon=place.lon)
    tables = {}
    for name, place in {**places, EARTH: read_earth(folder)}.items():
        place["tas"] = temperature_at(place, folder)
        tables[name] = Table(place, MAX_CELLS if name == EARTH else MAX_PIXELS)
    return tables


def leave_places_out(tables: Mapping[str, Table]) -> tuple[dict[str, dict[str, object]], float]:
    """Return the scores in each place, and the factor on the spread that they ask for."""
    scores, ratios = {}, []
    for left_out in SPLITS:
        keep = without(tables, left_out)
        network = train(tables, keep)
        for name in left_out:
            made, spread = predict(network, tables[name])
            truth = tables[name].truth.numpy()
            others = make_references(tables, keep, tables[name])
            others["by class and month"] = fit_classes(tables, keep, tables[name])
            place = tables[name].lat, tables[name].lon
            scores[name] = report(name, made, others, truth, place)
            ratios.append(np.nanquantile(abs(made - truth) / spread, 0.9))
    return scores, float(np.mean(ratios)) / 1.645


def leave_zones_out(tables: Mapping[str, Table]) -> dict[str, dict[str, object]]:
    """Return the scores in each zone that places have a part of; print those on the map of 2014."""
    scores = {}
    for zone, (first, last) in ZONES.items():
        keep = without_zone(tables, (first, last))
        network = train(tables, keep)
        held = {n: (t.koppen >= first) & (t.koppen <= last) for n, t in tables.items()}
        parts = [n for n in SHIPS if held[n].sum() > MIN_PIXELS]
        found: list[dict[str, np.ndarray]] = []
        for name in parts:
            table = tables[name]
            others = make_references(tables, keep, table)
            others["by class and month"] = fit_classes(tables, keep, table)
            own = {"made": predict(network, table)[0], "truth": table.truth.numpy()}
            own |= {"lat": table.lat, "lon": table.lon}
            found.append({k: v[held[name]] for k, v in (own | others).items()})
        if parts:
            joined = {k: np.concatenate([f[k] for f in found]) for k in found[0]}
            made, truth, *place = (joined.pop(k) for k in ("made", "truth", "lat", "lon"))
            scores[zone] = report(zone, made, joined, truth, place)
        cells = tables[EARTH]
        mean = predict(network, cells)[0][held[EARTH]][:, FOUR].mean(1, keepdims=True)
        print("   the map of 2014 there", score(mean, cells.truth.numpy()[held[EARTH]]), flush=True)
    return scores


def report(
    name: str,
    made: np.ndarray,
    references: Mapping[str, np.ndarray],
    truth: np.ndarray,
    place: Sequence[np.ndarray],
) -> dict[str, object]:
    """Print the scores of the emulator and of references, with intervals; return the former."""
    sources = {"emulator": made, **references}
    scores = {source: score(values, truth, *place) for source, values in sources.items()}
    for source, found in scores.items():
        print(f"{name:16s} {source:18s} {found}", flush=True)
    return {k: v for k, v in scores["emulator"].items() if not k.endswith("interval")}


def main(folder: Path, out: Path) -> None:
    """Score, train and write the emulator."""
    torch.set_num_threads(1)
    tables = make_tables(folder)
    print({name: table.all.size for name, table in tables.items()}, flush=True)
    places, factor = leave_places_out(tables)
    zones = leave_zones_out(tables)
    network = train(tables, without(tables, ()))
    card = CARD.with_(
        outputs={**CARD.outputs.model_dump(), "spread": round(factor, 3)},
        training={
            "data": "monthly leaf area of MODIS in Sweden, Japan, southwest China and near "
            "Arcachon; MODIS of 2014 (NEO), mean of four months; temperature of NCEP/NCAR, mean "
            "of 1971 to 2000, at the elevation of the pixel",
            "command": "python recipes/leaf_area.py FOLDER OUT",
            "limits": "a mean year of a handful of places; no rain; urban leaf area is that around",
        },
        metrics={"place left out": places, "zone left out": zones},
    )
    LeafAreaEmulator(card, network.state_dict()).save(out)
    print(f"wrote {out}, {out.stat().st_size / 1e3:.0f} kB, spread {factor:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "leaf-area.safetensors"))
