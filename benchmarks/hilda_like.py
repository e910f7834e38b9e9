"""Write synthetic maps like HILDA+'s and states like LUH2's as Zarr, for ``loader``.

    python benchmarks/hilda_like.py FOLDER [--small]

``FOLDER/maps.zarr`` has eight years of classes (uint8, the thirteen codes of HILDA+) at 0.01° on
8,192 x 8,192 pixels, in chunks of a year and 1,024 x 1,024; and elevation, which does not change.
``FOLDER/states.zarr`` has the twelve states of LUH2 at 0.25°, block means of the maps, in chunks of
a year and all cells. With ``--small`` 1,024 x 1,024 pixels, three years, and chunks of 256 x 256.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

__all__ = ["CODES", "HildaLike", "write"]

CODES = {
    0: "ocean",
    11: "urban",
    22: "cropland",
    33: "pasture_rangeland",
    40: "forest_unknown_other",
    41: "forest_evergreen_needleleaf",
    42: "forest_evergreen_broadleaf",
    43: "forest_deciduous_needleleaf",
    44: "forest_deciduous_broadleaf",
    45: "forest_mixed",
    55: "unmanaged_grass_shrubland",
    66: "sparse_or_no_vegetation",
    77: "water",
}
FORESTS = np.array([40, 41, 42, 43, 44, 45], np.uint8)
STATES = {
    "urban": {"urban": 1.0},
    "cropland": {"c3ann": 0.5, "c3per": 0.1, "c4ann": 0.25, "c4per": 0.05, "c3nfx": 0.1},
    "pasture": {"pastr": 0.6, "range": 0.4},
    "forest": {"primf": 0.4, "secdf": 0.6},
    "open": {"primn": 0.7, "secdn": 0.3},
}
GROUPS = {"urban": (11,), "cropland": (22,), "pasture": (33,), "forest": (40, 41, 42, 43, 44, 45)}
RATIO = 25
"""Pixels along a side of a coarse cell."""
NORTH, WEST, STEP = 60.0, -20.0, 0.01


@dataclass(frozen=True)
class HildaLike:
    """Size of the maps: pixels along a side, of a chunk, and years."""

    side: int = 8192
    chunk: int = 1024
    years: int = 8
    seed: int = 0

    def field(self, number: int, cell: int, rows: slice, columns: slice) -> np.ndarray:
        """Return smooth noise with a spread of about one, on a part of the pixels."""
        size = self.side // cell + 2
        coarse = np.random.default_rng([self.seed, number]).standard_normal((size, size))
        down, across = (_interpolation(part, cell, size) for part in (rows, columns))
        return (1.5 * down @ coarse.astype(np.float32) @ across.T).astype(np.float32)

    def height(self, rows: slice, columns: slice) -> np.ndarray:
        """Return the elevation in m, int16."""
        rough = self.field(0, 512, rows, columns) + 0.3 * self.field(1, 32, rows, columns)
        return (600 * rough).astype(np.int16)

    def classes(self, year: int, rows: slice, columns: slice) -> np.ndarray:
        """Return the codes of a year."""
        height = self.height(rows, columns)
        place = np.random.default_rng([self.seed, 9, rows.start, columns.start])
        grain = place.standard_normal(height.shape, np.float32)
        wet = self.field(2, 128, rows, columns) + 0.3 * grain
        used = self.field(3, 64, rows, columns) + 0.4 * grain - height / 1500 + 0.02 * year
        found = np.full(height.shape, 55, np.uint8)
        kind = (4 + 1.5 * self.field(4, 256, rows, columns)).astype(np.int64) % 6
        found[wet > 0.1] = FORESTS[kind[wet > 0.1]]
        found[wet < -1.2] = 66
        found[used > 0.5] = 33
        found[used > 0.9] = 22
        found[used > 2.2] = 11
        found[(wet > 1.9) & (height < 200)] = 77
        found[height < -450] = 0
        return found


def write(folder: Path, size: HildaLike) -> tuple[Path, Path]:
    """Write both stores, unless they are there; return their paths."""
    maps, states = folder / "maps.zarr", folder / "states.zarr"
    if not (states / "done").exists():
        _make_empty(maps, states, size)
        _fill(maps, states, size)
        (states / "done").touch()
    return maps, states


def _make_empty(maps: Path, states: Path, size: HildaLike) -> None:
    years = np.arange(2000, 2000 + size.years)
    time = ("time", np.array([f"{y}-07-01" for y in years], "M8[ns]"), {"standard_name": "time"})
    import dask.array as da

    shape, chunks = (size.years, size.side, size.side), (1, size.chunk, size.chunk)
    flags = {"flag_values": np.array([*CODES], "u1"), "flag_meanings": " ".join(CODES.values())}
    fine = {
        "land_cover": (("time", "lat", "lon"), da.zeros(shape, dtype="u1", chunks=chunks), flags),
        "elevation": (
            ("lat", "lon"),
            da.zeros(shape[1:], dtype="i2", chunks=chunks[1:]),
            {"units": "m", "standard_name": "surface_altitude"},
        ),
    }
    coords = {"time": time, **_axes(size.side, STEP)}
    xr.Dataset(fine, coords).to_zarr(maps, mode="w", compute=False)
    cells = -(-size.side // RATIO)
    names = [name for parts in STATES.values() for name in parts]
    about = {"units": "1", "standard_name": "area_fraction"}
    empty = da.zeros((size.years, cells, cells), dtype="f4", chunks=(1, cells, cells))
    coarse = dict.fromkeys(names, (("time", "lat", "lon"), empty, about))
    coords = {"time": time, **_axes(cells, STEP * RATIO)}
    xr.Dataset(coarse, coords).to_zarr(states, mode="w", compute=False)


def _fill(maps: Path, states: Path, size: HildaLike) -> None:
    fine, coarse = zarr.open_group(maps), zarr.open_group(states)
    parts = [slice(a, a + size.chunk) for a in range(0, size.side, size.chunk)]
    for rows in parts:
        for columns in parts:
            fine["elevation"][rows, columns] = size.height(rows, columns)
    for year in range(size.years):
        whole = np.empty((size.side, size.side), np.uint8)
        for rows in parts:
            for columns in parts:
                whole[rows, columns] = size.classes(year, rows, columns)
                fine["land_cover"][year, rows, columns] = whole[rows, columns]
        for group, names in STATES.items():
            codes = GROUPS.get(group, (55, 66))
            share = _block_means(np.isin(whole, np.array(codes, np.uint8)))
            for name, part in names.items():
                coarse[name][year] = part * share


def _block_means(mask: np.ndarray) -> np.ndarray:
    """Return the share of the pixels of each coarse cell, the last of which are incomplete."""
    pad = -mask.shape[0] % RATIO
    cells = (mask.shape[0] + pad) // RATIO
    sums, counts = (
        np.pad(part, ((0, pad), (0, pad))).reshape(cells, RATIO, cells, RATIO).sum((1, 3))
        for part in (mask, np.ones_like(mask))
    )
    return (sums / counts).astype(np.float32)


def _axes(count: int, step: float) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    lat = NORTH - step * (np.arange(count) + 0.5)
    lon = WEST + step * (np.arange(count) + 0.5)
    return {
        "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }


def _interpolation(part: slice, cell: int, size: int) -> np.ndarray:
    """Return the matrix that interpolates from points ``cell`` pixels apart."""
    at = np.arange(part.start, part.stop) / cell
    return np.maximum(1 - np.abs(at[:, None] - np.arange(size)), 0).astype(np.float32)


SMALL = HildaLike(1024, 256, 3)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    print(*write(options.folder, SMALL if options.small else HildaLike()))
