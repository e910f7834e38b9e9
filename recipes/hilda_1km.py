r"""Train an emulator of change at 1 km on LUH2 (or LUH3) and HILDA+, and score it on later years.

    python recipes/hilda_1km.py prepare --luh2 "luh2/*states*.nc" --maps "hilda/*_{year}_*.tif" \\
        --static static_1km.nc --store FOLDER
    python recipes/hilda_1km.py fit --store FOLDER [--settings run.toml]
    python recipes/hilda_1km.py score --store FOLDER
    python recipes/hilda_1km.py sample --store FILES  # small files of the same layout, to try

``prepare`` writes ``maps.zarr`` and ``states.zarr`` into the folder once: the thirteen codes of
HILDA+ as the eight groups of its legend (an unknown code is an error), LUH2's states as the seven
of ``form_hilda_states``. Maps are a GeoTIFF (needs rasterio) or NetCDF file a year, in which
``{year}`` stands for the year and ``*`` for anything, or one NetCDF file of all years. ``fit``
learns from 1960 to 2000 how a map follows from that of another year; blocks of 30 x 30 coarse cells
with (row + column) % 5 == 0 are hidden from it in all years. ``score`` goes on from the map of 2000
to 2015, and writes the maps, scores of the hidden and of all blocks, and a picture. Each step goes
on where it was interrupted.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

import xai4land
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.settings import read_settings
from xai4land_land import HILDA, form_hilda_states, open_luh2
from xai4land_land.change.pairs import choose_pairs
from xai4land_land.hilda import HILDA_STATES

GROUPS = {
    **dict.fromkeys([0], "ocean_other"),
    **dict.fromkeys([11], "urban"),
    **dict.fromkeys([22], "cropland"),
    **dict.fromkeys([33], "pasture"),
    **dict.fromkeys([40, 41, 42, 43, 44, 45], "forest"),
    **dict.fromkeys([55], "grass_shrub"),
    **dict.fromkeys([66], "sparse"),
    **dict.fromkeys([77], "water"),
}
"""The legend's group of each of the thirteen codes."""
MISSING = 255
BLOCK_CELLS, FOLDS = 30, 5
CHUNK = 1000
"""Pixels along a side: 40 coarse cells."""
TRAINING, TEST = (1960, 2000), (2001, 2015)
STEPS = (1, 2, 4, 8)
"""Years between the maps of a pair."""
LICENCE = "weights: Apache-2.0; trained on HILDA+ v1 (Winkler et al. 2021, CC BY 4.0) and LUH2"


def translate(codes: np.ndarray, nodata: float | None, where: str) -> np.ndarray:
    """Return the groups of codes; 255 where they are missing.

    Raises
    ------
    InputError
        If there are other codes: none is clipped, or taken for another one.
    """
    names = [c.name for c in HILDA.classes]
    known = {code: HILDA.classes[names.index(name)].value for code, name in GROUPS.items()}
    missing = np.isnan(codes) if codes.dtype.kind == "f" else np.zeros(codes.shape, bool)
    if nodata is not None and nodata not in known:
        missing |= codes == nodata
    found = np.full(codes.shape, MISSING, np.uint8)
    for code, value in known.items():
        found[codes == code] = value
    other = np.unique(codes[(found == MISSING) & ~missing])
    if other.size:
        raise InputError(
            f"{where} has codes {', '.join(f'{c:g}' for c in other[:8])}, expected "
            f"{', '.join(map(str, known))}; is it a map of states, and not of transitions?"
        )
    return found


def open_maps(pattern: str, years: range) -> Iterator[tuple[int, xr.DataArray, float | None]]:
    """Yield year, lazy map in the file's codes (lat, lon), and what stands for missing values."""
    whole = "{year}" not in pattern
    for year in years:
        files = sorted(glob(pattern.replace("{year}", str(year))))
        if len(files) != 1:
            raise InputError(
                f"{len(files)} files are like {pattern.replace('{year}', str(year))}, expected "
                f"one; name it more closely in --maps ({', '.join(files[:3])})"
            )
        if files[0].endswith((".tif", ".tiff")):
            yield year, *_open_tiff(Path(files[0]))
            continue
        data = xr.open_dataset(files[0], chunks={}, mask_and_scale=False)
        names = [n for n, v in data.data_vars.items() if {"lat", "latitude", "y"} & {*v.dims}]
        if len(names) != 1:
            raise InputError(f"{files[0]} has maps {', '.join(map(str, names))}, expected one")
        array = data[names[0]]
        if "time" in array.dims:
            array = array.isel(time=_find_year(data, year, files[0]) if whole else 0)
        yield year, array, array.attrs.get("_FillValue", array.encoding.get("_FillValue"))


def _find_year(data: xr.Dataset, year: int, file: str) -> int:
    """Return the step of a year; times are dates, or years themselves."""
    times = data.indexes["time"]
    years = [int(t) for t in (times.year if hasattr(times, "year") else times)]
    if year not in years:
        raise InputError(f"{file} has years {years[0]} to {years[-1]}, not {year}")
    return years.index(year)


def _open_tiff(path: Path) -> tuple[xr.DataArray, float | None]:
    try:
        import rasterio
    except ImportError as error:
        raise InputError("GeoTIFF files are read by rasterio: pip install rasterio") from error
    source = rasterio.open(path)
    (height, width), at = source.shape, source.transform
    if at.b or at.d or not (source.crs is None or source.crs.is_geographic):
        raise InputError(f"{path} is not on latitudes and longitudes; warp it to EPSG:4326")

    def read(block_info: dict) -> np.ndarray:
        (top, bottom), (left, right) = block_info[None]["array-location"]
        with rasterio.open(path) as file:  # one for each thread
            return file.read(1, window=((top, bottom), (left, right)))

    rows, columns = (_chunks(n) for n in (height, width))
    values = da.map_blocks(read, chunks=(rows, columns), dtype=source.dtypes[0])
    lat = at.f + at.e * (np.arange(height) + 0.5)
    lon = at.c + at.a * (np.arange(width) + 0.5)
    return xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon")), source.nodata


def _chunks(length: int) -> tuple[int, ...]:
    return tuple(min(CHUNK, length - a) for a in range(0, length, CHUNK))


def prepare(options: argparse.Namespace) -> None:
    """Write maps and states as Zarr, year by year; years that are there are left as they are."""
    years = range(TRAINING[0], TEST[1] + 1) if not options.years else parse_years(options.years)
    _write_maps(options, years)
    states = form_hilda_states(open_luh2(options.luh2, years=(years[0], years[-1])))
    states = states[list(HILDA_STATES.values())].astype("f4").chunk(time=8, lat=60, lon=60)
    for variable in states.variables.values():
        variable.encoding.clear()
    done = options.store / "states.done"
    if not done.exists():
        states.to_zarr(options.store / "states.zarr", mode="w", consolidated=False)
        done.touch()


def _write_maps(options: argparse.Namespace, years: range) -> None:
    store, first = options.store / "maps.zarr", True
    attrs = {
        "flag_values": np.array([c.value for c in HILDA.classes], np.uint8),
        "flag_meanings": " ".join(c.name for c in HILDA.classes),
    }
    for number, (year, array, nodata) in enumerate(open_maps(options.maps, years)):
        grid = Grid.of(array, f"the map of {year}")
        north_up = array.transpose(*grid.names).rename(
            dict(zip(grid.names, ("lat", "lon"), strict=True))
        )
        if grid.lat.ascending:
            north_up = north_up.isel(lat=slice(None, None, -1))
        data = north_up.data.rechunk((CHUNK, CHUNK))
        codes = data.map_blocks(translate, nodata, f"the map of {year}", dtype=np.uint8)
        if first:
            _make_store(store, years, north_up, attrs)
        first, done = False, options.store / f"maps_{year}.done"
        if not done.exists():
            one = xr.Dataset({"land_cover": (("time", "lat", "lon"), codes[None])})
            one.to_zarr(store, region={"time": slice(number, number + 1)}, consolidated=False)
            done.touch()
            print(f"{year}: {grid.shape[0]} x {grid.shape[1]} pixels", flush=True)


def _make_store(store: Path, years: range, like: xr.DataArray, attrs: dict) -> None:
    if (store / "zarr.json").exists():
        return
    shape, chunks = (len(years), *like.shape), (1, CHUNK, CHUNK)
    empty = da.full(shape, MISSING, dtype=np.uint8, chunks=chunks)
    units = {"lat": ("latitude", "degrees_north"), "lon": ("longitude", "degrees_east")}
    coords = {
        name: (name, like[name].values, {"standard_name": kind, "units": unit})
        for name, (kind, unit) in units.items()
    }
    coords["time"] = ("time", np.array([f"{y}-01-01" for y in years], "M8[ns]"))
    maps = xr.Dataset({"land_cover": (("time", "lat", "lon"), empty, attrs)}, coords)
    encoding = {"land_cover": {"_FillValue": np.uint8(MISSING), "chunks": chunks}}
    maps.to_zarr(store, compute=False, encoding=encoding, consolidated=False)


def open_prepared(folder: Path) -> tuple[xr.Dataset, xr.DataArray]:
    """Return states and maps, lazily; missing pixels are 255."""
    states, maps = (
        xr.open_zarr(folder / f"{name}.zarr", consolidated=False, mask_and_scale=name == "states")
        for name in ("states", "maps")
    )
    return states, maps.land_cover


def hidden(maps: xr.DataArray, cell: float) -> xr.DataArray:
    """Return which pixels are in blocks of the test, lazily."""
    side = BLOCK_CELLS * cell
    rows = np.floor((90 - maps.lat.values) / side).astype(np.int64)
    columns = np.floor((maps.lon.values + 180) / side).astype(np.int64)
    lines = [da.from_array(line, chunks=CHUNK) for line in (rows, columns)]
    values = (lines[0][:, None] + lines[1][None]) % FOLDS == 0
    return xr.DataArray(values, {"lat": maps.lat, "lon": maps.lon}, ("lat", "lon"))


def hide(maps: xr.DataArray, where: xr.DataArray) -> xr.DataArray:
    """Return maps that are missing somewhere."""
    return maps.copy(data=da.where(where.data, np.uint8(MISSING), maps.data))


def select(data: xr.DataArray, years: tuple[int, int]) -> xr.DataArray:
    return data.sel(time=slice(str(years[0]), str(years[1])))


def fit(options: argparse.Namespace) -> None:
    """Train on pairs of years of the first part, without the blocks of the test."""
    states, maps = open_prepared(options.store)
    cell = Grid.of(states.urban, "the states").resolution
    known = select(hide(maps, hidden(maps, cell)), TRAINING)
    years = known.time.dt.year.values.tolist()
    static = xr.open_dataset(options.static, chunks={}) if options.static else None
    settings = read_settings(options.settings) if options.settings else {}
    emulator = states.ai4land.fit(
        known,
        prior=known,
        pairs=choose_pairs(years, years, steps=[n for n in STEPS if n < len(years)]),
        static=static,
        legend="hilda",
        name="hilda-1km",
        title="Land cover at 1 km that follows from a map of another year and LUH2",
        licence=LICENCE,
        command="python recipes/hilda_1km.py fit --store FOLDER",
        **{
            "parameters": {"widths": [32, 48, 64, 96]},
            "window": 150,
            "epochs": 40,
            "steps": 200,
            "masked": 0.1,
            "masked_at_end": 0.1,
            "checkpoint": options.store / "run.safetensors",
            "log": options.store / "log.csv",
            **settings,
        },
    )
    from xai4land.training.distributed import is_first_process

    if is_first_process():
        emulator.save(options.store / "hilda-1km.safetensors")
        print(emulator)


def score(options: argparse.Namespace) -> None:
    """Go on from the last year of the training, score the maps, and draw one."""
    states, maps = open_prepared(options.store)
    first = int(select(maps, TRAINING).time.dt.year[-1])
    last = int(select(maps, TEST).time.dt.year[-1])
    prior = maps.sel(time=str(first)).isel(time=0)
    static = xr.open_dataset(options.static, chunks={}) if options.static else None
    out = options.store / f"maps_{last}.zarr"
    made = states.ai4land.reconstruct(
        str(options.store / "hilda-1km.safetensors"),
        prior=prior,
        static=static,
        years=slice(first, last),
        baselines=False,
    )
    made.ai4land.write(out, overwrite=True)
    made = xai4land.open_store(out)
    cell = Grid.of(states.urban, "the states").resolution
    truth, test = maps.sel(time=str(last)), hidden(maps, cell)
    final = made.isel(time=[-1])
    for name, where in (("hidden blocks", ~test), ("all blocks", test & ~test)):
        scores = final.ai4land.evaluate(
            hide(truth, where), prior=prior, blocks=BLOCK_CELLS * cell
        ).compute()
        print(f"\n{last} from {first}, {name}\n{scores.ai4land.summarise().to_string()}")
    draw(final.isel(time=0), options.store / f"map_{last}.png")


def draw(made: xr.Dataset, path: Path) -> None:
    """Draw a map, thinned to about a thousand pixels a side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = Grid.of(made.land_cover, "the map").names
    thin = max(math.ceil(max(made.sizes[n] for n in names) / 1000), 1)
    made.isel({n: slice(None, None, thin) for n in names}).ai4land.plot()
    plt.savefig(path, dpi=150, bbox_inches="tight")
    print(f"wrote {path}")


def parse_years(text: str) -> range:
    first, last = map(int, text.split("-"))
    return range(first, last + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = {"prepare": prepare, "fit": fit, "score": score}
    parser.add_argument("job", choices=[*jobs, "sample"])
    parser.add_argument("--store", type=Path, required=True, help="folder of all that is written")
    parser.add_argument("--luh2", help="files of states, a pattern; history and scenario")
    parser.add_argument("--maps", help="files of HILDA+, a pattern with {year}")
    parser.add_argument("--static", type=Path, help="static features, NetCDF or Zarr")
    parser.add_argument("--settings", type=Path, help="of the training, TOML or JSON")
    parser.add_argument("--years", help=f"by default {TRAINING[0]}-{TEST[1]}")
    options = parser.parse_args()
    options.store.mkdir(parents=True, exist_ok=True)
    if options.job == "sample":
        from hilda_1km_sample import write_sample

        write_sample(options.store)
    elif options.job == "prepare" and not (options.luh2 and options.maps):
        parser.error("prepare needs --luh2 and --maps")
    else:
        jobs[options.job](options)


if __name__ == "__main__":
    main()
