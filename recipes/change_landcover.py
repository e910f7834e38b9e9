"""Train ``change-landcover``, the emulator of change, and score it where it was not trained.

    python recipes/change_landcover.py --data FOLDER --out change-landcover.safetensors

``FOLDER/land`` holds maps of two dates of three regions, which are brought to the seven classes of
land in HILDA+'s legend (and the sea, the rest of a cell). States are the block means of the maps.

=============  ======================  ========================  ===========================
class          UK and Ireland          New Guinea, west          Plum Island (scored alone)
=============  ======================  ========================  ===========================
years          2009, 2012              2001, 2015                1985, 1991
pixel, cell    0.01°, 0.25°            0.0028°, 0.25°            0.001°, 0.025°
source         HILDA+                  ESA CCI Land Cover        lulcc's example data
licence        CC BY 4.0               free with attribution     GPL
urban          urban                   settlement                built
cropland       cropland                agriculture
pasture        pasture_rangeland
forest         forest_...              forest                    forest
grass_shrub    unmanaged_grass_...     grassland, shrubland      other
sparse         sparse_or_no_...        sparse_vegetation
water          water                   water
=============  ======================  ========================  ===========================

New Guinea takes part a second time, with every third pixel, so that the emulator learns from
0.0028° to 0.01° and from 25 to 90 pixels a cell. Plum Island shows how it does at 0.001°, for which
it is not meant.

Maps between the two dates of a region are made up, so that shorter steps are learned: k of n years
after the first map, k/n of the pixels that change have changed, where smooth noise is largest. What
a shorter step has is thus its amount of change; where change comes early is unknown.

Blocks of 2° whose row and column add up to a multiple of three are kept for the test. With
``--only UK`` (or ``"New Guinea"``) the emulator learns from all of that region alone, and the same
blocks of the other region show how it does where it knows nothing.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

import xai4land
from xai4land.grids.fractions import cell_fractions
from xai4land.grids.grid import Grid
from xai4land.training.fit import fit_maps
from xai4land.training.regions import Region
from xai4land_land import HILDA, place_randomly
from xai4land_land.change.card import change_inputs, change_parameters, describe_changes
from xai4land_land.change.pairs import make_pairs
from xai4land_land.change.references import change_reference
from xai4land_land.hilda import HILDA_STATES

PLUM_ISLAND = {"built": "urban", "other": "grass_shrub"}
"""Classes of Plum Island in HILDA+'s legend, which has the other regions' own names."""
PLUM_RESOLUTION = {"target": 0.001, "states": 0.025}
MISSING = np.uint8(255)
WINDOW = 180
"""Pixels: four whole cells of 90, 36 of 30, and 36 or more of 25."""
FOLDS = 3
BLOCK_DEGREES = 2
CLUSTER_PIXELS = 8
"""Standard deviation of the noise that decides which pixels change early."""
DENSITY_PIXELS = (1.0, 4.0)
"""Of the kernels of the reference that lets classes grow where they are dense."""
TEST_FOLD = 0
TRAINING = (
    ("UK", 1, (1, 2), 4.0, [(2009, 2012), (2012, 2009)]),
    ("UK", 1, (1, 2), 1.0, [(2009, 2010), (2012, 2010)]),
    ("New Guinea", 1, (1,), 1.0, [(2001, 2015), (2015, 2001)]),
    ("New Guinea", 3, (1, 2), 1.0, [(2001, 2015), (2015, 2001), (2001, 2002), (2015, 2008)]),
)
"""Region, which pixels (every first, every third), folds, weight, and years of prior map and map.

New Guinea has forty times the pixels of the UK and would drown it; known maps count more than those
that are made up.
"""
EPOCHS = 8
LICENCE = (
    "weights: Apache-2.0; trained on HILDA+ v1 (Winkler et al. 2021, CC BY 4.0) and ESA CCI Land "
    "Cover (copyright ESA CCI / UCLouvain, free for any use with attribution)"
)


def translate(cover: xr.DataArray, names: dict[str, str] | None = None) -> xr.DataArray:
    """Return a map in the codes of HILDA+'s legend, 255 where it is missing."""
    own = cover.attrs["flag_meanings"].split()
    meanings = " ".join((names or {}).get(name, name) for name in own)
    positions = HILDA.positions(cover.assign_attrs(flag_meanings=meanings))
    table = np.full(256, MISSING)
    table[list(positions)] = [HILDA.classes[k].value for k in positions.values()]
    coded = cover.fillna(MISSING).astype(np.uint8)
    attrs = {
        "flag_values": np.array([c.value for c in HILDA.classes], np.uint8),
        "flag_meanings": " ".join(c.name for c in HILDA.classes),
        "_FillValue": MISSING,
    }
    return coded.copy(data=table[coded.values]).assign_attrs(attrs)


def block_means(maps: xr.DataArray, grid: Grid) -> xr.Dataset:
    """Return the states of coarse cells: the fractions of the classes in them, missing at sea."""
    codes = {c.name: c.value for c in HILDA.classes}
    steps = [
        cell_fractions(maps.isel(time=k, drop=True), grid, list(codes.values()))
        for k in range(maps.sizes["time"])
    ]
    part = xr.concat([one.fraction.fillna(0) * one.known for one in steps], maps.time)
    part = part.assign_coords(grid.coords()).astype(np.float32).transpose("time", "code", ...)
    part = part.where(part.sum("code") > 0)
    attrs = {"standard_name": "area_fraction", "units": "1"}
    names = list(codes)
    return xr.Dataset(
        {
            s: part.isel(code=names.index(c), drop=True).assign_attrs(attrs)
            for c, s in HILDA_STATES.items()
        }
    )


def make_between(maps: xr.DataArray, years: list[int], seed: int = 0) -> xr.DataArray:
    """Add maps of years between two: a part of the pixels that change has changed already."""
    first, last = maps.time.dt.year.values.tolist()
    before, after = maps.isel(time=0, drop=True), maps.isel(time=1, drop=True)
    noise = np.random.default_rng(seed).standard_normal(before.shape).astype(np.float32)
    order = gaussian_filter(noise, CLUSTER_PIXELS)
    changed = (before != after).values
    made = [maps]
    for year in years:
        bound = np.quantile(order[changed], 1 - (year - first) / (last - first))
        early = changed & (order >= bound)
        date = np.datetime64(f"{year}-07-01", "ns")
        made.append(xr.where(early, after, before).expand_dims(time=[date]))
    return xr.concat(made, "time").sortby("time").assign_attrs(maps.attrs)


def fold_of(data: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """Return the fold of each pixel or cell: blocks of 2°."""
    row, column = (np.floor(data[name] / BLOCK_DEGREES) for name in ("lat", "lon"))
    return ((row + column) % FOLDS).astype(int)


def coarse_grid(maps: xr.DataArray, cell: float) -> Grid:
    """Return the cells of a size that cover a map."""
    ends = [(float(maps[n].min()), float(maps[n].max())) for n in ("lat", "lon")]
    (south, north), (west, east) = (np.floor(np.array(end) / cell) * cell for end in ends)
    lat = np.arange(north + cell / 2, south, -cell)
    lon = np.arange(west + cell / 2, east + cell, cell)
    coords = {
        "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    return Grid.of(xr.Dataset(coords=coords))


def read_regions(folder: Path) -> dict[str, tuple[xr.DataArray, float]]:
    """Return the maps of both dates of each region, and the size of its coarse cells."""
    uk = xr.open_dataset(folder / "uk_hilda_0p01.nc").land_cover.load()
    west = xr.open_dataset(folder / "newguinea_west_cci_2001_2015_300m.nc").land_cover.load()
    plum = xr.open_dataset(folder / "plum_island_1985_1991_100m.nc")[["land_cover", "crs"]]
    lat, lon = 42.85 - 0.001 * np.arange(400), -71.35 + 0.001 * np.arange(650)
    wanted = xr.Dataset(coords={"lat": lat - 0.0005, "lon": lon + 0.0005})
    plum = xai4land.regrid(plum, wanted, "nearest").land_cover.load()
    return {
        "UK": (translate(uk), 0.25),
        "New Guinea": (translate(west), 0.25),
        "Plum Island": (translate(plum, PLUM_ISLAND), 0.025),
    }


def make_region(
    maps: xr.DataArray,
    cell: float,
    pairs: list[tuple[int, int]],
    folds: tuple[int, ...],
    weight: float,
) -> Region:
    """Return pairs of maps to learn from, in some folds."""
    known = maps.time.dt.year.values.tolist()
    every = make_between(maps, sorted({y for pair in pairs for y in pair} - {*known}))
    states = block_means(every, coarse_grid(maps, cell))
    seen = every.where(fold_of(every).isin(folds), MISSING).astype(np.uint8)
    seen = seen.assign_attrs(maps.attrs)
    outputs = describe_changes(HILDA.output_classes(states), pairs)
    return replace(make_pairs(states, seen, seen, outputs, pairs), weight=weight)


def fit(
    regions: dict[str, tuple[xr.DataArray, float]], only: str | None, steps: int
) -> xai4land.Emulator:
    """Train on the UK and New Guinea without the blocks of the test, or on all of one of them."""
    parts, trained = [], [part for part in TRAINING if only in (None, part[0])]
    for name, thin, folds, weight, pairs in trained:
        folds = folds if only is None else tuple(range(FOLDS))
        maps, cell = regions[name]
        chosen = maps.isel(lat=slice(thin // 2, None, thin), lon=slice(thin // 2, None, thin))
        parts.append(make_region(chosen, cell, pairs, folds, weight))
    outputs = describe_changes(
        HILDA.output_classes(parts[0].data), [pair for part in trained for pair in part[-1]]
    )
    return fit_maps(
        parts,
        outputs,
        inputs=change_inputs(parts[0], outputs, None),
        name="change-landcover",
        title="Land cover that follows from a map of another year, in the legend of HILDA+",
        licence=LICENCE,
        command="python recipes/change_landcover.py --data FOLDER",
        training_data="HILDA+ v1, UK and Ireland, 2009 and 2012; ESA CCI Land Cover, west of New "
        "Guinea, 2001 and 2015; maps of years between are made up: of a pair n years apart, a "
        "part k/n of the change where smooth noise is largest",
        parameters=change_parameters("unet", {"widths": [32, 48, 64]}),
        window=WINDOW,
        settings={
            "masked": 0.1,
            "masked_at_end": 0.1,
            "batch_size": 2,
            "epochs": EPOCHS,
            "steps": steps // EPOCHS,
        },
        progress=True,
    )


def follow(
    states: xr.Dataset, maps: xr.DataArray, emulator: xai4land.Emulator, exchange: bool = False
) -> xr.DataArray:
    """Return the map of the second date that follows from that of the first."""
    made = states.ai4land.reconstruct(
        emulator, prior=maps.isel(time=0), baselines=False, exchange=exchange
    )
    land_cover = made.land_cover.isel(time=1).sortby("lat", ascending=False)
    return maps.isel(time=1, drop=True).copy(data=land_cover.values)


def score(
    maps: xr.DataArray, cell: float, emulator: xai4land.Emulator, fold: int | None
) -> xr.Dataset:
    """Score the map of the second date beside references, in a fold or everywhere."""
    states = block_means(maps, coarse_grid(maps, cell))
    prior, truth = maps.isel(time=0, drop=True), maps.isel(time=1, drop=True)
    truth = truth.where(prior != MISSING, MISSING).astype(np.uint8).assign_attrs(maps.attrs)
    found = {"land_cover_random": place_randomly(prior, truth, cell=cell)}
    if fold is not None:
        truth = truth.where(fold_of(maps) == fold, MISSING).astype(np.uint8)
        truth.attrs = maps.attrs
        # Windows beyond the fold and two cells around it are not computed.
        near = (fold_of(states) == fold).rolling(lat=5, lon=5, center=True, min_periods=1)
        states = states.where(near.max() > 0)
    for radius in DENSITY_PIXELS:
        rule = change_reference("density", states, maps, radius=radius)
        found[f"land_cover_density_{radius:g}"] = follow(states, maps, rule)
    found["land_cover"] = follow(states, maps, emulator)
    found["land_cover_exchange"] = follow(states, maps, emulator, exchange=True)
    blocks = BLOCK_DEGREES if cell > 0.1 else 4 * cell
    return xr.Dataset(found).ai4land.evaluate(truth, prior=prior, blocks=blocks).compute()


def tabulate(scores: xr.Dataset) -> pd.DataFrame:
    """Return accuracy, mean IoU and figure of merit of each source, with 90 % intervals."""
    table = {}
    for source in scores.source.values.tolist():
        one = scores.sel(source=source)
        row = {}
        for name in ("accuracy", "mean_iou", "figure_of_merit"):
            value = one[name].sel(factor=1) if "factor" in one[name].dims else one[name]
            row[name] = f"{float(value):.4f}"
            if f"{name}_interval" in one:
                low, high = one[f"{name}_interval"].values.tolist()
                row[name] += f" ({low:.4f} to {high:.4f})"
        table[source] = row
    return pd.DataFrame(table).T


def select_metrics(scores: xr.Dataset) -> dict[str, dict[str, float]]:
    """Return what the card says of each source."""
    return {
        source: {
            "accuracy": round(float(scores.accuracy.sel(source=source)), 4),
            "figure_of_merit": round(float(scores.figure_of_merit.sel(source=source, factor=1)), 4),
        }
        for source in scores.source.values.tolist()
    }


def describe(emulator: xai4land.Emulator, metrics: dict[str, Any]) -> xai4land.Emulator:
    """Return the emulator with what its card says beyond the training."""
    card = emulator.card
    training = {
        **card.training,
        "test": f"blocks of {BLOCK_DEGREES} degrees with (row + column) % {FOLDS} == {TEST_FOLD}; "
        "all of Plum Island, at 0.001 degrees",
    }
    metrics = {**card.metrics, **metrics}
    card = card.with_(training=training, metrics=metrics)
    return xai4land.Emulator(card, emulator.weights)


def open_to_finer(emulator: xai4land.Emulator) -> xai4land.Emulator:
    """Return an emulator that takes maps finer than those it was trained on, as Plum Island's."""
    card = emulator.card.with_(resolution={**PLUM_RESOLUTION, "coarsest": (0.01, 0.25)})
    return xai4land.Emulator(card, emulator.weights)


def net_share(maps: xr.DataArray, cell: float) -> tuple[float, float]:
    """Return the share of pixels that change, and that of net change among them."""
    before, after = maps.values
    known = (before != MISSING) & (after != MISSING)
    changed = float((before != after)[known].mean())
    states = block_means(maps, coarse_grid(maps, cell)).to_dataarray().fillna(0)
    net = np.abs(states.isel(time=1) - states.isel(time=0)).sum("variable") / 2
    land = states.isel(time=0).sum("variable")
    return changed, float(net.sum() / land.sum()) / changed


def main() -> None:
    """Train, write and score; or score an emulator that there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("change-landcover.safetensors"))
    parser.add_argument("--only", choices=["UK", "New Guinea"], help="train on all of one region")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--score", metavar="EMULATOR", help="score this one, and train none")
    options = parser.parse_args()
    regions = read_regions(options.data / "land")
    if options.score:
        emulator = xai4land.load_emulator(options.score)
    else:
        emulator = describe(fit(regions, options.only, options.steps), {})
        emulator.save(options.out)  # before the scores, which take as long
    metrics = {}
    for region, (maps, cell) in regions.items():
        if region == options.only:
            continue
        fold = TEST_FOLD if region in {part[0] for part in TRAINING} else None
        changed, net = net_share(maps, cell)
        scores = score(maps, cell, open_to_finer(emulator), fold)
        print(f"\n{region}: {changed:.2%} change, of which {net:.0%} is net change of cells")
        print(tabulate(scores).to_string(), flush=True)
        metrics[region] = select_metrics(scores)
    if not options.score:
        describe(emulator, metrics).save(options.out)
        print(f"\nwrote {options.out}, {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
