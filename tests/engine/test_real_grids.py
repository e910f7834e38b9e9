"""Real files with difficult grids; skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from conftest import SHARED
from regrid_worlds import XESMF, total
from xai4land import InputError, regrid
from xai4land.regridding.detect import read_grid

FOLDER = SHARED / "grids"
ESMF = XESMF[0] if XESMF else pytest.mark.usefixtures()
PLAIN = "xarray-regrid"

pytestmark = [
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason="the real grids are not beside this checkout (../shared/data)"
    ),
    # Warnings of xarray about the attributes of these files.
    pytest.mark.filterwarnings("ignore::xarray.SerializationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path))


def netcdf(name: str) -> xr.Dataset:
    return xr.open_dataset(FOLDER / name, decode_timedelta=False)


def grib(name: str) -> xr.Dataset:
    pytest.importorskip("cfgrib", reason="GRIB files need cfgrib: pip install 'xai4land[grib]'")
    how = {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}}
    return xr.open_dataset(FOLDER / name, decode_timedelta=False, **how)


def midway(centres: np.ndarray) -> np.ndarray:
    """Return edges midway between centres, or at the poles if a grid almost reaches them."""
    inner = (centres[1:] + centres[:-1]) / 2
    ends = 2 * centres[[0, -1]] - inner[[0, -1]]
    return np.concatenate([ends[:1], inner, ends[1:]])


def plain_mean(field: np.ndarray, lat: np.ndarray, lon: np.ndarray, box) -> float:
    """Compute the mean over a box, with the parts of cells that lie in it."""
    south, north, west, east = box
    rows, columns = np.sort(midway(lat)).clip(-90, 90), midway(lon)
    heights = np.diff(np.sin(np.deg2rad(rows.clip(south, north))))
    widths = np.diff(columns.clip(west, east))
    values = field if lat[0] < lat[-1] else field[::-1]
    return float((values * heights[:, None] * widths).sum() / (heights.sum() * widths.sum()))


def test_a_region_with_a_360_day_calendar():
    data = netcdf("E1_north_america.nc")
    made = regrid(data, 5.0, engine=PLAIN)
    assert made.air_temperature.shape == (240, 36, 72)
    assert made.air_temperature.dtype == np.float32
    assert made.time.dt.calendar == "360_day"
    assert "time_bnds" in made
    assert "latitude_longitude" not in made
    assert made[made.air_temperature.attrs["grid_mapping"]].attrs["grid_mapping_name"] == (
        "latitude_longitude"
    )
    cell = made.air_temperature.isel(time=7).sel(latitude=37.5, longitude=262.5)
    field = data.air_temperature.isel(time=7).values.astype(float)
    lat, lon = (data[n].values.astype(float) for n in ("latitude", "longitude"))
    assert float(cell) == pytest.approx(plain_mean(field, lat, lon, (35, 40, 260, 265)), abs=1e-4)
    inside = made.air_temperature.sel(latitude=slice(15, 60), longitude=slice(225, 315))
    assert inside.notnull().all()
    assert made.air_temperature.sel(longitude=slice(0, 220)).isnull().all()


def test_an_ensemble_with_half_cells_at_the_poles():
    data = netcdf("small_FC_167_mon_19601101.nc")
    made = regrid(data, 10.0, engine=PLAIN)
    assert made.tas.dims == ("time", "ensemble", "latitude", "longitude")
    assert made.latitude[0] == 85  # from the north, as the file has it
    assert made.realization.dims == ("ensemble",)
    for member in (0, 20):
        layer = {"time": 1, "ensemble": member}
        had = data.isel(layer).astype({"tas": "float64"})
        assert total(made.isel(layer), "tas") == pytest.approx(total(had, "tas"), rel=1e-7)
    lat, lon = (data[n].values.astype(float) for n in ("latitude", "longitude"))
    field = data.tas.isel(time=0, ensemble=3).values.astype(float)
    cell = made.tas.isel(time=0, ensemble=3).sel(latitude=85, longitude=95)
    assert float(cell) == pytest.approx(plain_mean(field, lat, lon, (80, 90, 90, 100)), abs=1e-4)


def test_two_distant_columns_are_refused_and_one_column_uses_its_bounds():
    data = netcdf("tas_Amon_HadGEM2-ES_rcp85_r1i1p1_200512-203011.nc")
    with pytest.raises(InputError, match=r"two columns 187.5° apart.*ds.isel\(lon=\[0\]\)"):
        regrid(data, 10.0, engine=PLAIN)
    column = data.isel(lon=[0], time=slice(2))
    box = xr.Dataset(coords={n: column[n] for n in ("lat", "lon")})
    assert read_grid(column, column, "it").rows.tolist() == column.lat_bnds.values.tolist()
    made = regrid(column, 0.5, engine=PLAIN)
    known = made.tas.isel(time=0).notnull()
    # A cell of 1.25 x 1.875 degrees, and the half of one at the pole.
    assert known.sel(lat=slice(-90, -80)).sum() == known.sel(lat=-89.75).sum() == 4
    assert known.sel(lat=slice(30, 40)).any("lon").sum() == 2
    assert float(made.tas.max()) == float(column.tas.max())
    assert "cell_measures" not in made.tas.attrs
    assert box.sizes == {"lat": 2, "lon": 1}


@pytest.mark.parametrize("engine", ["auto", PLAIN])
@pytest.mark.parametrize(
    "name",
    ["camse_unstructured_grid.nc", "lfric_ngvat_2D_1t_face_half_levels_main_conv_rain.nc"],
)
def test_meshes_are_refused_with_a_fix(name, engine):
    data = netcdf(name)
    with pytest.raises(InputError, match="unstructured mesh.*cdo remapdis,global_1") as caught:
        regrid(data, 5.0, engine=engine)
    assert len(caught.value.problems) == 1
    with pytest.raises(InputError, match="unstructured mesh|is neither|expected one"):
        regrid(netcdf("small_FC_167_mon_19601101.nc"), data, engine=engine)


CURVED = {
    "orca2_votemper.nc": ("votemper", 0.65),
    "ctorca.nc": ("sosstsst", 0.65),
    "rotated_pole.nc": ("air_pressure_at_sea_level", 0.09),
    "tas_rotated_grid_EUR11.nc": ("tas", 0.05),
}


def curved(name: str) -> xr.Dataset:
    data = netcdf(name)
    if name == "ctorca.nc":
        with pytest.raises(InputError, match=r"no coordinates.*set_coords\(\['nav_lat'"):
            regrid(data, 5.0)
        data = data.set_coords(["nav_lat", "nav_lon"])
    return data


@pytest.mark.parametrize("name", CURVED)
def test_curvilinear_grids_are_refused_without_xesmf(name):
    with pytest.raises(InputError, match="curvilinear.*conda-forge xesmf"):
        regrid(curved(name), 5.0, engine=PLAIN)


@pytest.mark.parametrize("name", CURVED)
def test_nearest_cells_of_curvilinear_grids_agree_with_a_plain_search(name):
    """Compare a tenth of the cells with a search through all centres."""
    variable, known = CURVED[name]
    data = curved(name)
    made = regrid(data, 5.0, "nearest")[variable]
    assert float(made.notnull().mean()) == pytest.approx(known, abs=0.02)
    cells = read_grid(data[variable], data, "it")
    lat, lon = (np.deg2rad(c.ravel()) for c in cells.centres)
    values = data[variable].values.reshape(-1, lat.size)[0]
    layer = made.isel({d: 0 for d in made.dims if d not in ("lat", "lon")})
    points = layer.stack(p=("lat", "lon")).dropna("p")[::10]
    for point in points:
        y, x = np.deg2rad(float(point.lat)), np.deg2rad(float(point.lon))
        near = np.sin(lat) * np.sin(y) + np.cos(lat) * np.cos(y) * np.cos(lon - x)
        assert float(point) in values[near > near.max() - 1e-9]


@ESMF
@pytest.mark.parametrize("name", CURVED)
def test_curvilinear_means_are_close_to_nearest_cells(name):
    variable, known = CURVED[name]
    data = curved(name)
    made = regrid(data, 5.0, engine="xesmf")[variable]
    assert float(made.notnull().mean()) == pytest.approx(known, abs=0.02)
    near = regrid(data, 5.0, "nearest")[variable]
    spread = float(data[variable].std())
    assert float(np.abs(made - near).mean()) < 0.15 * spread
    assert float(data[variable].min()) <= float(made.min())
    assert float(made.max()) <= float(data[variable].max())


@ESMF
def test_the_mean_over_a_tripolar_ocean_is_that_of_its_cells():
    """Weighted by areas of the cells' polygons on the sphere, from the file's four vertices."""
    data = netcdf("orca2_votemper.nc")
    lat, lon = (np.deg2rad(data[f"nav_{n}_bnds"].values) for n in ("lat", "lon"))
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    a, b, c, d = (points[..., k, :] for k in range(4))

    def triangle(a, b, c):
        volume = np.abs(np.einsum("...i,...i", a, np.cross(b, c)))
        sides = [np.einsum("...i,...i", *pair) for pair in ((a, b), (b, c), (c, a))]
        return 2 * np.arctan2(volume, 1 + sum(sides))

    area = triangle(a, b, c) + triangle(a, c, d)
    field = data.votemper.values.astype(float)
    wet = np.isfinite(field)
    mean = (field[wet] * area[wet]).sum() / area[wet].sum()
    made = regrid(data, 1.0, min_coverage=0.0, engine="xesmf").votemper
    share = regrid(data.assign(votemper=data.votemper.notnull() * 1.0), 1.0, engine="xesmf")
    weights = np.cos(np.deg2rad(made.lat)) * share.votemper.fillna(0)
    # Target cells that the grid covers in part count in full: 0.02 of a range of 32 K.
    assert float(made.weighted(weights).mean()) == pytest.approx(mean, abs=0.02)


def test_a_gaussian_grid_in_grib():
    data = grib("regular_gg_sfc.grib")
    assert data.u10.shape == (96, 192)
    made = regrid(data, 5.0, engine=PLAIN)
    assert made.u10.notnull().all()
    assert made.latitude[0] == 87.5
    assert made.longitude[0] == 2.5
    had = data.astype({"u10": "float64"})
    assert total(made, "u10") == pytest.approx(total(had, "u10"), abs=1e-6)
    # Gaussian weights give nearly the same mean.
    _, weights = np.polynomial.legendre.leggauss(96)
    exact = float((data.u10.mean("longitude").values * weights).sum() / 2)
    assert total(made, "u10") == pytest.approx(exact, abs=2e-3)
    assert made.valid_time.values == data.valid_time.values


def test_a_lagged_ensemble_in_grib():
    data = grib("forecast_monthly_ukmo.grib")
    assert data.t2m.dims == ("number", "time", "step", "latitude", "longitude")
    target = xr.Dataset(
        coords={
            "latitude": ("latitude", [44.0, 42.0], data.latitude.attrs),
            "longitude": ("longitude", [12.0, 14.0, 16.0], data.longitude.attrs),
        }
    )
    made = regrid(data, target, engine=PLAIN)
    assert made.t2m.shape == (28, 8, 20, 2, 3)
    # Most combinations of a lagged ensemble are missing, and stay missing.
    there = data.t2m.notnull().any(["latitude", "longitude"])
    np.testing.assert_array_equal(made.t2m.notnull().all(["latitude", "longitude"]), there)
    n, t, s = np.argwhere(there.values)[17]
    field = data.t2m.values[n, t, s].astype(float)
    mean = plain_mean(field, data.latitude.values, data.longitude.values, (43, 45, 13, 15))
    assert float(made.t2m[n, t, s, 0, 1]) == pytest.approx(mean, abs=1e-4)
    assert "valid_time" in made.coords


def test_every_file_has_a_test():
    known = {p.name for p in FOLDER.iterdir() if p.suffix in (".nc", ".grib")}
    text = Path(__file__).read_text()
    assert not [name for name in known if name not in text]
