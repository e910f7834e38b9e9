"""``regrid``: properties of its methods, with both engines."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xai4land
from compliance import complaints
from conftest import coordinate
from regrid_worlds import (
    ENGINES,
    XESMF,
    cells,
    gaussian,
    noise,
    regular,
    smooth,
    total,
    with_poles,
)
from xai4land import InputError, regrid

PLAIN = "xarray-regrid"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path_factory.getbasetemp() / "weights"))


SOURCES = {
    "regular": regular(4.0),
    "from the north, from 0": regular(4.0, west=0.0, descending=True),
    "half cells at the poles": with_poles(37, 72),
    "Gaussian": gaussian(32, bounds=False),
    "Gaussian with bounds": gaussian(32, bounds=True),
    "odd meridian": regular(4.0, west=13.0),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("target", [10.0, with_poles(19, 30), gaussian(12, True), regular(3.0)])
def test_the_global_integral_is_conserved(source, target):
    field = noise(source, time=2)
    made = regrid(field, target, engine=PLAIN)
    for t in range(2):
        kept, had = total(made.isel(time=t), "x"), total(field.isel(time=t), "x")
        assert kept == pytest.approx(had, abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_an_analytic_field_is_reproduced(engine, method, source):
    """Tolerances follow from the slope (142 along both axes) and curvature (280) of the field."""
    made = regrid(smooth(source), 5.0, method, engine=engine)
    wide, new = (np.deg2rad(float(np.abs(g.lat.diff("lat")).max())) for g in (source, made))
    bound = {
        "nearest": 142 * wide / 2,
        "bilinear": 280 * wide**2 / 8,
        "conservative": 142 * wide**2 / new / 8 + 280 * new**2 / 24,
    }
    error = np.abs(made.tas - smooth(made.drop_vars("tas")).tas)
    assert float(error.max()) < bound[method]
    assert made.tas.dims == ("lat", "lon")


def test_means_of_a_harmonic_are_its_integrals():
    """The mean of Y_2^2 over a cell is known; a grid of 0.5° misses it by its own square."""
    made = regrid(smooth(regular(0.5)), 10.0, engine=PLAIN)
    west, east = np.deg2rad(made.lon_bnds.values.T)
    south, north = np.sin(np.deg2rad(made.lat_bnds.values.T))
    columns = (np.sin(2 * east) - np.sin(2 * west)) / 2 / (east - west)

    def mean(power):  # of a power of the sine of latitude
        return (north ** (power + 1) - south ** (power + 1)) / (power + 1) / (north - south)

    exact = 288 + 20 * mean(1) - 40 * mean(2) + (1 - mean(2)) * 30 * columns[:, None]
    np.testing.assert_allclose(made.tas, exact.T, atol=2e-3)


def slow_mean(values, rows, columns, box):
    """Compute the mean of known values over a box, cell by cell, and the part that is known."""
    south, north, west, east = box
    whole = (np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south))) * (east - west)
    area = weighted = 0.0
    for i, (low, high) in enumerate(rows):
        height = np.sin(np.deg2rad(min(high, north))) - np.sin(np.deg2rad(max(low, south)))
        for j, (left, right) in enumerate(columns):
            for turn in (-720, -360, 0, 360, 720):
                width = min(right + turn, east) - max(left + turn, west)
                if height > 0 and width > 0 and np.isfinite(values[i, j]):
                    area += height * width
                    weighted += height * width * values[i, j]
    return (weighted / area if area else np.nan), area / whole


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), min_coverage=st.sampled_from([0.05, 0.31, 0.77]))
def test_means_agree_with_a_slow_plain_version(seed, min_coverage):
    """Irregular cells with bounds, a region, missing values."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.uniform(-90, 90, 7))
    columns = np.sort(rng.uniform(-50, 200, 9)) + rng.choice([-360, 0, 360])
    pairs = [np.stack([e[:-1], e[1:]], -1) for e in (rows, columns)]
    source = cells(*(p.mean(1) for p in pairs), lat=pairs[0], lon=pairs[1])
    field = noise(source, seed)
    field["x"] = field.x.where(rng.random((6, 8)) > 0.3)
    made = regrid(field, 30.0, min_coverage=min_coverage, engine=PLAIN)
    for i, (south, north) in enumerate(made.lat_bnds.values):
        for j, (west, east) in enumerate(made.lon_bnds.values):
            mean, share = slow_mean(field.x.values, *pairs, (south, north, west, east))
            expected = mean if share >= min_coverage else np.nan
            np.testing.assert_allclose(made.x.values[i, j], expected, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_a_missing_value_affects_only_cells_around_it(engine, method):
    field = noise(regular(5.0))
    holed = field.copy(deep=True)
    holed["x"][10, 20] = np.nan
    made, whole = (regrid(d, 4.0, method, engine=engine).x for d in (holed, field))
    lat, lon = field.lat[10], field.lon[20]
    far = (np.abs(made.lat - lat) > 8) | (np.abs(made.lon - lon) > 8)
    xr.testing.assert_allclose(made.where(far), whole.where(far), rtol=1e-9)
    assert not made.isnull().all()
    assert (made != whole).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_cells_are_means_of_known_values_down_to_min_coverage(engine):
    """A known number of cells of 5° are missing in a cell of 10°."""
    field = noise(regular(5.0))
    for count, min_coverage, known in (
        (1, 0.5, True),
        (3, 0.5, False),
        (3, 0.2, True),
        (4, 0.01, False),
    ):
        holed = field.copy(deep=True)
        block = holed.x.values[18:20, 36:38]
        block[np.unravel_index(range(count), (2, 2))] = np.nan
        made = regrid(holed, 10.0, min_coverage=min_coverage, engine=engine).x
        assert bool(np.isfinite(made[9, 18])) == known
        assert int(made.isnull().sum()) == (not known)
        if known:
            slack = 0 if engine == PLAIN else 0.02  # its cells reach a little into others
            assert np.nanmin(block) - slack <= made[9, 18] <= np.nanmax(block) + slack


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
def test_cells_beyond_a_region_are_missing(engine, method):
    region = smooth(regular(1.0).sel(lat=slice(20, 50), lon=slice(-10, 40)))
    made = regrid(region, 2.0, method, engine=engine).tas
    inside = (made.lat > 20) & (made.lat < 50) & (made.lon > -10) & (made.lon < 40)
    assert made.where(inside, drop=True).notnull().all()
    assert made.where(~inside).isnull().all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
def test_the_first_longitude_does_not_matter(engine, method):
    field = noise(regular(6.0))
    turned = field.roll(lon=23, roll_coords=True)
    turned = turned.assign_coords(lon=coordinate("lon", turned.lon.values % 360)).sortby("lon")
    made, other = (regrid(d, regular(5.0), method, engine=engine).x for d in (field, turned))
    np.testing.assert_allclose(other, made, atol=1e-9)


@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
def test_nothing_is_computed_and_chunks_do_not_matter(method):
    field = noise(regular(6.0), time=6, member=2)
    field["x"][0, 0, :7, :9] = np.nan
    plain = regrid(field, 10.0, method, engine=PLAIN).x
    computed = []
    for chunks in ({"time": 1}, {"time": 4, "member": 1, "lat": 7, "lon": 11}, {"member": 2}):
        with dask.config.set(scheduler=lambda *a, **k: computed.append(a)):
            made = regrid(field.chunk(chunks), 10.0, method, engine=PLAIN).x
        assert made.chunks is not None
        assert made.chunksizes["time"] == field.chunk(chunks).chunksizes["time"]
        assert len(made.chunksizes["lat"]) == 1
        np.testing.assert_array_equal(made.values, plain)
    assert not computed
    assert isinstance(plain.variable._data, np.ndarray)


def test_each_chunk_is_one_task():
    field = noise(regular(6.0), time=40).chunk(time=1)
    before = len(dask.optimize(field.x.data)[0].__dask_graph__())
    made = dask.optimize(regrid(field, 10.0, engine=PLAIN).x.data)[0]
    assert len(made.__dask_graph__()) <= before + 40


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=5, deadline=None)
@given(a=st.floats(-10, 10), b=st.floats(-10, 10), order=st.permutations(["time", "lat", "lon"]))
def test_regridding_is_linear_and_keeps_the_order_of_dimensions(engine, a, b, order):
    first, second = (noise(regular(10.0), seed, time=3).transpose(*order) for seed in (1, 2))
    for method in ("conservative", "bilinear"):
        made = [regrid(d, 15.0, method, engine=engine).x for d in (first, second)]
        both = regrid(a * first + b * second, 15.0, method, engine=engine).x
        np.testing.assert_allclose(both, a * made[0] + b * made[1], atol=1e-9)
        assert both.dims == tuple(order)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("engine", [pytest.param("xesmf", marks=XESMF)])
def test_engines_agree(engine, source):
    """They agree to 0.2 % of the range for cells of 10°: the sides of ESMF's are great circles."""
    field = smooth(source)
    field["tas"] = field.tas.where(np.sin(3 * np.deg2rad(field.lon)) < 0.8)
    spread = float(field.tas.max() - field.tas.min())
    for method in ("conservative", "bilinear"):
        ours, theirs = (regrid(field, 10.0, method, engine=e).tas for e in (PLAIN, engine))
        assert float((ours.notnull() != theirs.notnull()).mean()) < 0.01
        assert float(np.abs(ours - theirs).max()) <= 2e-3 * spread


@pytest.mark.parametrize("engine", [pytest.param("xesmf", marks=XESMF)])
def test_engines_agree_better_on_finer_grids(engine):
    field = smooth(regular(1.0))
    spread = float(field.tas.max() - field.tas.min())
    for method in ("conservative", "bilinear"):
        ours, theirs = (regrid(field, 2.5, method, engine=e).tas for e in (PLAIN, engine))
        assert float(np.abs(ours - theirs).max()) <= 1e-4 * spread


def polygons(made: xr.Dataset) -> np.ndarray:
    """Compute areas of cells whose sides are great circles, as spherical excess of triangles."""

    def corner(i, j):
        lat, lon = np.deg2rad(made.lat_bnds.values[:, i]), np.deg2rad(made.lon_bnds.values[:, j])
        lat, lon = np.meshgrid(lat, lon, indexing="ij")
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)

    def triangle(a, b, c):  # Van Oosterom and Strackee (1983)
        volume = np.abs(np.einsum("...i,...i", a, np.cross(b, c)))
        edges = [np.einsum("...i,...i", *pair) for pair in ((a, b), (b, c), (c, a))]
        return 2 * np.arctan2(volume, 1 + sum(edges))

    a, b, c, d = corner(0, 0), corner(0, 1), corner(1, 1), corner(1, 0)
    return (triangle(a, b, c) + triangle(a, c, d)) / (4 * np.pi)


@pytest.mark.parametrize("engine", [pytest.param("xesmf", marks=XESMF)])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_esmf_conserves_the_integral_over_its_own_cells(engine, source):
    field = noise(source)
    made = regrid(field, 10.0, engine=engine)
    had = regrid(field, source, engine=PLAIN)  # the same cells, with bounds that are told
    np.testing.assert_allclose(had.x, field.x, atol=1e-12)
    kept = float((made.x * polygons(made)).sum())
    assert kept == pytest.approx(float((had.x * polygons(had)).sum()), abs=1e-9)


@pytest.mark.parametrize("kind", ["float32", "float64", "int16", "int64", "bool"])
def test_data_types_of_results(kind):
    field = noise(regular(10.0))
    field["x"] = (10 * field.x).astype(kind)
    wide = kind in ("float64", "int64")
    for method in ("conservative", "bilinear"):
        made = regrid(field, 20.0, method, engine=PLAIN).x
        assert made.dtype == ("float64" if wide else "float32")
        exact = regrid(field.astype("float64"), 20.0, method, engine=PLAIN).x
        np.testing.assert_allclose(made, exact, rtol=2e-6)
    taken = regrid(field, 20.0, "nearest", engine=PLAIN).x
    assert taken.dtype == ("int8" if kind == "bool" else kind)


def test_other_variables_are_kept_and_stale_ones_are_dropped():
    data = (
        smooth(regular(10.0))
        .expand_dims(time=3)
        .assign(
            series=("time", [1.0, 2.0, 3.0]),
            label=("time", ["a", "b", "c"]),
            areacella=(("lat", "lon"), np.ones((18, 36)), {"standard_name": "cell_area"}),
            crs=((), 0, {"grid_mapping_name": "latitude_longitude"}),
        )
    )
    data = data.assign_coords(zone=(("lat", "lon"), np.ones((18, 36))), height=2.0)
    data["tas"].attrs |= {"cell_measures": "area: areacella", "grid_mapping": "crs"}
    data.attrs = {"title": "mine", "history": "before"}
    made = regrid(data, 20.0, engine=PLAIN)
    assert set(made.data_vars) == {"tas", "series", "label"}
    xr.testing.assert_identical(
        made.series.drop_vars("crs"), data.series.drop_vars(["height"]).assign_coords(height=2.0)
    )
    assert {"lat", "lon", "lat_bnds", "lon_bnds", "height", "crs"} == set(made.coords)
    assert made.tas.attrs == {
        "units": "K",
        "grid_mapping": "crs",
        "units_metadata": "temperature: on_scale",
        "standard_name": "air_temperature",
        "cell_methods": "time: mean area: mean",
    }
    newest, oldest = made.attrs["history"].splitlines()
    assert "regridded to 9 x 18 cells, method conservative, engine xarray-regrid" in newest
    assert oldest == "before"
    assert made.attrs["title"] == "mine"
    assert made.attrs["Conventions"] == "CF-1.11"
    assert regrid(made, 30.0, engine=PLAIN).tas.attrs["cell_methods"] == "time: mean area: mean"


def test_names_order_and_meridian_of_the_source_are_kept_and_bounds_of_the_target():
    field = noise(regular(5.0, west=0.0, descending=True)).rename(lat="y", lon="x0")
    made = regrid(field, 10.0, engine=PLAIN)
    assert made.x.dims == ("y", "x0")
    assert made.y[0] == 85
    assert made.x0[0] == 5
    assert made.y_bnds[0].values.tolist() == [90, 80]
    target = gaussian(16, bounds=True)
    made = regrid(field, target, engine=PLAIN)
    np.testing.assert_allclose(made.lat_bnds, target.lat_bnds, atol=1e-9)


def test_variables_on_different_grids_are_regridded_to_one(planet):
    made = regrid(planet[["urban", "elevation"]], 10.0, engine=PLAIN)
    assert made.elevation.shape == (18, 36)
    assert made.urban.shape == (2, 18, 36)
    fine = (
        planet.elevation.rename(lat_fine="lat", lon_fine="lon")
        if ("lat_fine" in planet.elevation.dims)
        else planet.elevation
    )
    np.testing.assert_allclose(made.elevation, regrid(fine, 10.0, engine=PLAIN), rtol=1e-6)


def test_arrays_give_arrays_and_the_accessor_gives_the_same():
    field = noise(regular(5.0))
    made = regrid(field.x, 10.0, engine=PLAIN)
    assert isinstance(made, xr.DataArray)
    assert made.name == "x"
    whole = regrid(field, 10.0, engine=PLAIN)
    np.testing.assert_array_equal(made, whole.x)
    xr.testing.assert_equal(field.ai4land.regrid(10.0, engine=PLAIN), whole)
    assert regrid(field.x.rename(None), 10.0, engine=PLAIN).name is None
    assert "bounds" not in made.lat.attrs


def test_nearest_takes_only_existing_values_at_the_poles():
    field = noise(regular(10.0))
    made = regrid(field, 2.0, "nearest", engine=PLAIN).x
    np.testing.assert_array_equal(made, field.x.values.repeat(5, 0).repeat(5, 1))
    field["x"][3, 4] = np.nan
    assert int(regrid(field, 2.0, "nearest", engine=PLAIN).x.isnull().sum()) == 25


def test_weights_are_not_made_again(monkeypatch):
    from xai4land.regridding import overlap, weights

    made = []
    real = overlap.make_overlap_operator
    monkeypatch.setattr(overlap, "make_overlap_operator", lambda *a: made.append(a) or real(*a))
    monkeypatch.setattr(weights, "_OPERATORS", type(weights._OPERATORS)())
    for seed in range(3):
        regrid(noise(regular(6.0), seed), 20.0, engine=PLAIN)
    assert len(made) == 1
    moved = regular(6.0).assign_coords(lat=coordinate("lat", regular(6.0).lat.values * 0.9))
    regrid(noise(moved), 20.0, engine=PLAIN)
    assert len(made) == 2
    for size in np.arange(4.0, 4.2, 0.01):
        regrid(noise(regular(6.0)), cells(np.arange(-80, 80, size), np.arange(0, 90, size)))
    assert len(weights._OPERATORS) == weights.MAX_CACHED_OPERATORS


def mesh() -> xr.Dataset:
    lat = coordinate("lat", np.arange(5.0)).rename(lat="ncol")
    return xr.Dataset(
        {"x": ("ncol", np.arange(5.0)), "lat": lat, "lon": lat.assign_attrs(units="degrees_east")}
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_meshes_and_broken_grids_are_refused(engine):
    loose = mesh()
    for data in (loose, loose.set_coords(["lat", "lon"])):
        data.lon.attrs["standard_name"] = "longitude"
        with pytest.raises(InputError, match="unstructured mesh.*cdo remapdis"):
            regrid(data, 10.0, engine=engine)
    field = noise(regular(10.0))
    bare = field.drop_vars(["lat", "lon"])
    with pytest.raises(
        InputError, match="no variable has coordinates of latitude and longitude; rename"
    ):
        regrid(bare, 10.0, engine=engine)
    half = field.x.isel(lon=0, drop=True).to_dataset()
    with pytest.raises(InputError, match="has a latitude and not the other"):
        regrid(half, 10.0, engine=engine)
    beyond = field.assign_coords(lat=coordinate("lat", field.lat.values * 1.2))
    with pytest.raises(InputError, match="latitudes reach"):
        regrid(beyond, 10.0, engine=engine)
    with pytest.raises(InputError, match="target: expected one CF coordinate of latitude"):
        regrid(field, bare, engine=engine)


def test_arguments_are_checked_at_once():
    field = noise(regular(10.0))
    with pytest.raises(InputError) as caught:
        regrid(field, 10.0, "cubic", min_coverage=50)
    assert len(caught.value.problems) == 2
    for target, words in ((7.0, "divide"), (-1.0, "resolution"), ("1x1", "neither a resolution")):
        with pytest.raises(InputError, match=words):
            regrid(field, target, engine=PLAIN)
    with pytest.raises(InputError, match="none of 'auto'"):
        regrid(field, 10.0, engine="esmf")
    words = xr.Dataset({"name": (("lat", "lon"), np.full((18, 36), "a"))}, field.coords)
    with pytest.raises(InputError, match="drop_vars"):
        regrid(words, 10.0, engine=PLAIN)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((18, 3)), "have shape"),
        (np.stack([np.arange(18.0), np.arange(18.0) + 1], -1), "do not contain their centres"),
        (regular(10.0).lat.values[:, None] + [-10, 10], "overlap"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(values, words):
    field = noise(cells(regular(10.0).lat.values, regular(10.0).lon.values))
    field.lat.attrs["bounds"] = "lat_bnds"
    field["lat_bnds"] = (("lat", "b"), values)
    with pytest.raises(InputError, match=words):
        regrid(field, 20.0, engine=PLAIN)


def test_an_engine_that_is_not_installed_is_refused_with_a_fix(monkeypatch):
    from xai4land.regridding import engines

    monkeypatch.setattr(engines, "_xesmf_problem", lambda: "No module named 'esmpy'")
    field = noise(regular(10.0))
    with pytest.raises(InputError, match="conda install -c conda-forge xesmf"):
        regrid(field, 20.0, engine="xesmf")
    assert "xarray-regrid" in regrid(field, 20.0).attrs["history"]


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_the_compliance_checker_finds_no_error(tmp_path, method):
    data = smooth(regular(10.0, west=0.0)).expand_dims(time=np.array(["2000-01-15"], "M8[ns]"))
    attrs = {"standard_name": "time", "axis": "T", "units_metadata": "leap_seconds: unknown"}
    data["time"].attrs = attrs
    data.attrs["title"] = "a test"
    made = xai4land.regrid(data, 20.0, method, engine=PLAIN)
    check_cf(made, tmp_path)


def check_cf(made: xr.Dataset, folder) -> None:
    """Assert that the newest CF checks of the compliance checker pass."""
    path = folder / "made.nc"
    made.to_netcdf(path)
    assert not complaints(path)


def test_a_target_from_east_to_west_gives_the_same_turned():
    field = noise(regular(10.0))
    target = regular(20.0)
    west = target.isel(lon=slice(None, None, -1))
    for method in ("conservative", "bilinear", "nearest"):
        one, other = (regrid(field, t, method, engine=PLAIN) for t in (target, west))
        assert other.lon.values.tolist() == target.lon.values[::-1].tolist()
        np.testing.assert_array_equal(one.x, other.x.isel(lon=slice(None, None, -1)))


def test_steps_of_latitude_and_of_longitude():
    made = regrid(noise(regular(10.0)), (15.0, 20.0), engine=PLAIN)
    assert made.x.shape == (12, 18)
    with pytest.raises(InputError, match="does not divide 180"):
        regrid(noise(regular(10.0)), (7.0, 20.0), engine=PLAIN)
