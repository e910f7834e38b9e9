"""The engine xESMF: weights cached by their contents, and grids with 2-D coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from test_regrid import check_cf

from conftest import coordinate
from regrid_worlds import ENGINES, XESMF, cells, harmonic, noise, regular, smooth, total
from xai4land import InputError, regrid
from xai4land.regridding import engines, weights
from xai4land.regridding.curvilinear import to_xyz
from xai4land.regridding.weights import Weights, load_or_make

ESMF = pytest.mark.usefixtures("needs_esmf")


@pytest.fixture
def needs_esmf():
    for mark in XESMF:
        pytest.skip(mark.kwargs["reason"])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Use a new cache folder, and no operators in memory."""
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_OPERATORS", type(weights._OPERATORS)())
    return tmp_path / "cache" / "weights"


def some(seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    return Weights(np.arange(9), rng.integers(0, 5, 9), rng.random(9), (9, 5))


def forget() -> None:
    weights._OPERATORS.clear()


# The cache itself needs no ESMF.


def test_weights_are_loaded_as_they_were_saved(folder):
    calls = []
    for _ in range(3):
        found = load_or_make(["a", "b"], lambda: calls.append(1) or some())
        np.testing.assert_array_equal(found.matrix.toarray(), some().matrix.toarray())
    assert len(calls) == 1
    load_or_make(["a", "c"], lambda: calls.append(1) or some())
    assert len(calls) == 2
    assert len(list(folder.iterdir())) == 2


def test_damaged_weights_are_made_again(folder):
    load_or_make(["a"], some)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    calls = []
    for _ in range(2):
        found = load_or_make(["a"], lambda: calls.append(1) or some())
        np.testing.assert_array_equal(found.values, some().values)
    assert len(calls) == 1


# What follows runs ESMF.


@pytest.fixture
def counted(monkeypatch, needs_esmf):
    """Count the calls of ESMF."""
    import xesmf

    calls = []
    real = xesmf.Regridder
    monkeypatch.setattr(xesmf, "Regridder", lambda *a, **k: calls.append(a) or real(*a, **k))
    return calls


def test_weights_are_made_once_for_all_processes(counted, folder):
    field = noise(regular(6.0))
    first = regrid(field, 20.0, engine="xesmf").x
    regrid(noise(regular(6.0), seed=1), 20.0, engine="xesmf")
    forget()  # as a new process has it
    np.testing.assert_array_equal(regrid(field, 20.0, engine="xesmf").x, first)
    assert len(counted) == 1
    assert len(list(folder.iterdir())) == 1


def test_grids_of_the_same_shape_have_their_own_weights(counted):
    grid = regular(6.0)
    lat, lon = grid.lat.values, grid.lon.values
    edges = np.linspace(-90, 90, 31)
    bent = np.sign(edges) * 90 * (np.abs(edges) / 90) ** 1.02
    variants = [
        grid,
        cells(lat * 0.99, lon),
        cells(lat, lon + 1.0),
        cells(lat[::-1], lon),
        cells(lat, lon, lat=np.stack([bent[:-1], bent[1:]], -1)),
    ]
    made = [regrid(noise(g), regular(20.0), engine="xesmf").x.values for g in variants]
    assert len(counted) == len(variants)
    assert not any(np.allclose(made[0], other) for other in made[1:])
    regrid(noise(grid), 20.0, "bilinear", engine="xesmf")
    assert len(counted) == len(variants) + 1


def test_another_version_has_other_weights(counted, monkeypatch):
    from xai4land.regridding import esmf

    field = noise(regular(6.0))
    regrid(field, 20.0, engine="xesmf")
    forget()
    monkeypatch.setattr(esmf, "version", lambda name: "99")
    regrid(field, 20.0, engine="xesmf")
    assert len(counted) == 2


@ESMF
def test_graphs_refer_to_weights_by_file_name(folder):
    """Workers read the file."""
    import pickle

    operator = engines.operator("xesmf", "overlap", *_two())
    small = pickle.dumps(operator)
    assert len(small) < 1000
    values = np.random.default_rng(0).random((2, 30, 60))
    np.testing.assert_array_equal(pickle.loads(small)(values), operator(values))  # noqa: S301
    next(folder.iterdir()).unlink()
    assert len(pickle.dumps(operator)) > 10_000


def _two():
    from xai4land.regridding.grids import Regular

    return Regular.of(regular(6.0)), Regular.of(regular(20.0))


def tilted(rows: int, columns: int, bounds: bool, tilt: float = 30.0) -> xr.Dataset:
    """Make a global grid with displaced poles, as tripolar and rotated grids have."""
    from xai4land.regridding.rotated import to_geographic

    pole = {"grid_north_pole_latitude": 90 - tilt, "grid_north_pole_longitude": 40.0}
    ends = np.linspace(-90, 90, rows + 1), np.linspace(-180, 180, columns + 1)
    lat, lon = to_geographic(*((e[1:] + e[:-1]) / 2 for e in ends), pole)
    dims = ("j", "i")
    grid = xr.Dataset(
        coords={
            "nav_lat": (dims, lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "nav_lon": (dims, lon, {"standard_name": "longitude", "units": "degrees_east"}),
        }
    )
    if bounds:
        for name, corner in zip(("nav_lat", "nav_lon"), to_geographic(*ends, pole), strict=True):
            four = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
            grid[name].attrs["bounds"] = f"{name}_bnds"
            grid[f"{name}_bnds"] = ((*dims, "vertex"), np.stack(four, -1))
    return grid


def curved(grid: xr.Dataset) -> xr.Dataset:
    lat, lon = np.deg2rad(grid.nav_lat), np.deg2rad(grid.nav_lon)
    field = 288 + 20 * np.sin(lat) - 40 * np.sin(lat) ** 2 + harmonic(lat, lon)
    attrs = {"units": "K", "units_metadata": "temperature: on_scale"}
    return grid.assign(tas=field.assign_attrs({"standard_name": "air_temperature", **attrs}))


@ESMF
@pytest.mark.parametrize("bounds", [True, False])
@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
def test_curvilinear_sources_reproduce_an_analytic_field(method, bounds):
    data = curved(tilted(60, 120, bounds))
    made = regrid(data, 5.0, method, engine="xesmf")
    assert made.tas.dims == ("lat", "lon")
    error = np.abs(made.tas - smooth(made.drop_vars("tas")).tas)
    inner = error.sel(lat=slice(-85, 85)) if method == "bilinear" else error
    assert float(inner.max()) < {"conservative": 1.0, "bilinear": 0.15, "nearest": 5.3}[method]
    # Only around the poles of the source grid four centres can be missing.
    assert float(made.tas.isnull().mean()) < (0.005 if method == "bilinear" else 1e-9)


@ESMF
@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_the_order_of_vertices_and_dimensions_does_not_matter(method):
    data = curved(tilted(30, 60, bounds=True))
    made = regrid(data, 10.0, method, engine="xesmf").tas
    for other in (
        data.isel(vertex=[0, 3, 2, 1]),
        data.transpose("vertex", "i", "j"),
        data.isel(j=slice(None, None, -1), vertex=[3, 2, 1, 0]),
    ):
        again = regrid(other, 10.0, method, engine="xesmf").tas.transpose("lat", "lon")
        np.testing.assert_allclose(again, made, atol=1e-9)


@ESMF
@pytest.mark.parametrize("bounds", [True, False])
def test_cells_at_a_gap_in_the_grid_are_left_out(bounds):
    """Some ocean grids store a sea in another place: cells at the gap span half the globe."""
    data = tilted(60, 120, bounds)
    other = tilted(60, 120, bounds, tilt=75.0)
    rows, columns = xr.DataArray(np.arange(60), dims="j"), xr.DataArray(np.arange(120), dims="i")
    there = (rows > 20) & (rows < 45) & (columns > 70) & (columns < 100)
    displaced = xr.where(there, other.reset_coords(), data.reset_coords())
    displaced = displaced.set_coords(["nav_lat", "nav_lon"])
    for name in ("nav_lat", "nav_lon"):
        displaced[name].attrs = data[name].attrs
        displaced[name] = displaced[name].transpose("j", "i")
        if bounds:
            displaced[f"{name}_bnds"] = displaced[f"{name}_bnds"].transpose("j", "i", "vertex")
    for method in ("conservative", "bilinear"):
        made = regrid(curved(displaced), 5.0, method, engine="xesmf")
        error = np.abs(made.tas - smooth(made.drop_vars("tas")).tas)
        assert float(error.max()) < 1.5
        assert 0.7 < float(made.tas.notnull().mean()) < 1


@ESMF
def test_integrals_over_curvilinear_cells_are_conserved():
    """The global mean, which a grid of 3° has to a thousandth of the field's range."""
    made = regrid(curved(tilted(60, 120, True)), 5.0, engine="xesmf")
    assert total(made, "tas") == pytest.approx(288 - 40 / 3, abs=0.05)


@ESMF
def test_curvilinear_targets_have_cf_coordinates(tmp_path):
    target = tilted(40, 80, bounds=True).isel(j=slice(8, 32))
    source = smooth(regular(1.0))
    source["tas"].attrs.pop("cell_methods")
    made = regrid(source, target, engine="xesmf")
    assert made.tas.dims == ("j", "i")
    error = np.abs(made.tas - curved(target).tas)
    assert float(error.max()) < 142 * np.deg2rad(0.5) + 280 * np.deg2rad(4.5) ** 2 / 24
    np.testing.assert_allclose(made.nav_lat_bnds, target.nav_lat_bnds, atol=1e-9)
    check_cf(made.assign_attrs(title="a test"), tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_nearest_centre_agrees_with_a_plain_search(engine):
    data = curved(tilted(20, 40, bounds=False))
    made = regrid(data, 9.0, "nearest", engine=engine).tas
    points = to_xyz(made.lat.values[:, None], made.lon.values[None, :]).reshape(-1, 1, 3)
    centres = to_xyz(data.nav_lat.values, data.nav_lon.values).reshape(1, -1, 3)
    taken = data.tas.values.ravel()[np.linalg.norm(points - centres, axis=-1).argmin(1)]
    np.testing.assert_array_equal(made, taken.reshape(made.shape))


@ESMF
def test_a_rotated_pole_needs_no_2d_coordinates():
    rlat, rlon = np.arange(-20.0, 21, 1), np.arange(-25.0, 26, 1)
    names = {"rlat": "grid_latitude", "rlon": "grid_longitude"}
    grid = xr.Dataset(
        coords={
            n: (n, v, {"standard_name": names[n], "units": "degrees"})
            for n, v in (("rlat", rlat), ("rlon", rlon))
        }
    )
    pole = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    grid["rotated_pole"] = ((), 0, pole)
    made = regrid(smooth(regular(1.0)), grid, engine="xesmf")
    assert made.tas.dims == ("rlat", "rlon")
    # The middle of the domain, and a corner according to EUR-11.
    centre = made.tas.isel(rlat=20, rlon=25)
    assert float(centre.lat) == pytest.approx(50.75)
    assert float(centre.lon) == pytest.approx(18.0)
    data = made[["tas"]].drop_vars(["lat", "lon", "lat_bnds", "lon_bnds"], errors="ignore")
    data = data.assign(rotated_pole=grid.rotated_pole).assign_coords(grid.coords)
    data["tas"].attrs["grid_mapping"] = "rotated_pole"
    back = regrid(data, 2.0, engine="xesmf")
    error = np.abs(back.tas - smooth(back.drop_vars("tas")).tas)
    assert float(error.max()) < 1.0
    assert 0.02 < float(back.tas.notnull().mean()) < 0.1
    assert "rotated_pole" not in back


def test_curvilinear_grids_need_xesmf():
    data = curved(tilted(20, 40, bounds=True))
    with pytest.raises(InputError, match="source is curvilinear.*conda-forge xesmf"):
        regrid(data, 10.0, engine="xarray-regrid")
    with pytest.raises(InputError, match="target is curvilinear.*conda-forge xesmf"):
        regrid(smooth(regular(10.0)), data, engine="xarray-regrid")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign_coords(nav_lat=d.nav_lat * 1.2), "latitudes reach"),
        (lambda d: d.assign_coords(nav_lat=d.nav_lat.where(d.nav_lat > -50)), "missing values"),
        (lambda d: d.isel(vertex=slice(3)), "four vertices"),
        (lambda d: d.isel(j=[0]), "at least 2 x 2"),
    ],
)
def test_broken_curvilinear_grids_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        regrid(change(curved(tilted(20, 40, bounds=True))), 10.0)


@ESMF
def test_bounds_with_gaps_are_refused_by_xesmf():
    lat, lon = np.arange(-85.0, 90, 10), np.arange(5.0, 360, 10)
    data = noise(cells(lat, lon, lat=lat[:, None] + np.array([-3, 3])))
    with pytest.raises(InputError, match="gaps.*xarray-regrid"):
        regrid(data, 30.0, engine="xesmf")
    assert regrid(data, 30.0, engine="xarray-regrid").x.notnull().all()


@ESMF
def test_a_band_around_the_globe_is_not_extrapolated_to_the_poles():
    data = smooth(regular(2.0).sel(lat=slice(-40, 40)))
    for method in ("bilinear", "nearest", "conservative"):
        made = regrid(data, 4.0, method, engine="xesmf").tas
        assert made.sel(lat=slice(-38, 38)).notnull().all()
        assert made.where(np.abs(made.lat) > 41).isnull().all()


@ESMF
def test_lazy_and_eager_results_agree():
    data = curved(tilted(30, 60, bounds=True))
    data = data.assign(tas=data.tas.expand_dims(time=3)).chunk(time=1, i=7)
    made = regrid(data, 10.0, engine="xesmf").tas
    assert made.chunks is not None
    plain = regrid(data.compute(), 10.0, engine="xesmf").tas
    np.testing.assert_array_equal(made.values, plain)


def test_dimension_names_do_not_matter():
    field = noise(regular(10.0)).rename(lat="rows", lon="columns")
    field["rows"] = coordinate("lat", field.rows.values).rename(lat="rows")
    assert regrid(field, 20.0).x.dims == ("rows", "columns")
