"""Write what the examples read: a region of the sample planet, and run files for it and its halves.

python make_inputs.py run
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

import xai4land
from xai4land.coupling.run_file import RunFile

YEARS, YEARS_OF_HALVES = 20, 5
NORTH, CUT, SOUTH = 70, 44, 18
HALO = 16  # degrees; the emulator's window
WEST, EAST = -60, -20


def make_inputs(planet: xr.Dataset, folder: Path) -> None:
    """Write the region as a whole, and its two halves, with a halo and with one too thin."""
    folder.mkdir(parents=True, exist_ok=True)
    write_domain(cut(planet, NORTH, SOUTH), folder, "run", YEARS)
    write_domain(cut(planet, NORTH, SOUTH), folder, "errors", YEARS, probabilities=True)
    for name, halo in (("half", HALO), ("thin", 4)):
        write_domain(cut(planet, NORTH, CUT - halo), folder, f"{name}_0", YEARS_OF_HALVES)
        write_domain(cut(planet, CUT + halo, SOUTH), folder, f"{name}_1", YEARS_OF_HALVES)
    stepper = RunFile.read(folder / "run.yaml").make_stepper()
    region = cut(planet, NORTH, SOUTH)
    states = [region[name].values[0] for name in stepper.inputs]
    np.stack(states).astype("f4").tofile(folder / "states.bin")  # (state, row, column)


def cut(planet: xr.Dataset, north: float, south: float) -> xr.Dataset:
    """Return the cells and pixels between two latitudes."""
    lat, lon = slice(north, south), slice(WEST, EAST)
    return planet.sel(lat=lat, lon=lon, lat_fine=lat, lon_fine=lon)


def write_domain(data: xr.Dataset, folder: Path, name: str, years: int, **options: bool) -> None:
    """Write the grids of the states, the static features and the run file of a domain."""
    xr.Dataset(coords={"lat": data.lat, "lon": data.lon}).to_netcdf(folder / f"{name}_like.nc")
    fine = [n for n in data.data_vars if data[n].dims == ("lat_fine", "lon_fine")]
    data[fine].to_netcdf(folder / f"{name}_static.nc")
    settings = {
        "emulator": "sample-landcover",
        "like": f"{name}_like.nc",
        "static": f"{name}_static.nc",
        "start": 2001,
        "end": 2001 + years,
        "step": "year",
        "options": options,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


if __name__ == "__main__":
    make_inputs(xai4land.sample("land", years=[2000]), Path(sys.argv[1]))
