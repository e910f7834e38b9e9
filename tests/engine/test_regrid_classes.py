"""Classes on another grid: majority and fractions."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from test_regrid import PLAIN, check_cf, own_cache  # noqa: F401

from regrid_worlds import ENGINES, XESMF, cells, regular
from xai4land import InputError, regrid
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid

FLAGS = {"flag_values": np.array([1, 3, 7], "u1"), "flag_meanings": "wood field town"}


def cover(grid: xr.Dataset, seed: int = 0, missing: float = 0.0, **sizes: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    shape = (*sizes.values(), grid.sizes["lat"], grid.sizes["lon"])
    values = rng.choice(FLAGS["flag_values"], shape)
    values[rng.random(shape) < missing] = 255
    made = grid.assign(cover=((*sizes, "lat", "lon"), values, {"long_name": "cover", **FLAGS}))
    made.cover.encoding["_FillValue"] = np.uint8(255)
    return made


def plain(field: xr.DataArray, box: tuple[int, int], min_coverage: float):
    """Compute majority and fractions of blocks, cell by cell."""
    area = cell_areas(Grid.of(field)).values
    shape = field.shape[0] // box[0], field.shape[1] // box[1]
    most = np.full(shape, 255, "u1")
    parts = np.full((3, *shape), np.nan)
    for i, j in np.ndindex(shape):
        block = slice(i * box[0], (i + 1) * box[0]), slice(j * box[1], (j + 1) * box[1])
        values, weights = field.values[block], area[block]
        sums = [weights[values == code].sum() for code in FLAGS["flag_values"]]
        if sum(sums) >= min_coverage * weights.sum() - 1e-12 and sum(sums):
            parts[:, i, j] = np.array(sums) / sum(sums)
            # The first of several with the largest area.
            first = next(k for k in range(3) if sums[k] > max(sums) * (1 - 1e-9))
            most[i, j] = FLAGS["flag_values"][first]
    return most, parts


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 99),
    box=st.sampled_from([(2, 2), (3, 4), (1, 6)]),
    missing=st.sampled_from([0.0, 0.4]),
)
def test_majority_and_fractions_agree_with_a_slow_plain_version(seed, box, missing):
    data = cover(regular(10.0), seed, missing)
    target = cells(
        data.lat.values.reshape(-1, box[0]).mean(1), data.lon.values.reshape(-1, box[1]).mean(1)
    )
    most, parts = plain(data.cover, box, 0.55)
    how = {"min_coverage": 0.55, "engine": PLAIN}
    made = regrid(data, target, "fractions", **how).cover_fraction
    np.testing.assert_allclose(made, parts, atol=1e-6)
    np.testing.assert_array_equal(regrid(data, target, "majority", **how).cover, most)


@pytest.mark.parametrize("engine", [pytest.param("xesmf", marks=XESMF)])
def test_engines_agree(engine):
    data = cover(regular(2.0), missing=0.05)
    both = PLAIN, engine
    ours, theirs = (regrid(data, 4.0, "fractions", engine=e).cover_fraction for e in both)
    np.testing.assert_allclose(theirs, ours, atol=0.01)
    ours, theirs = (regrid(data, 9.0, "majority", engine=e).cover for e in both)
    assert float((ours == theirs).mean()) > 0.98  # what is nearly as large may be larger


def test_of_equal_areas_the_smaller_code_is_taken():
    data = cover(regular(10.0))
    data["cover"][:, ::2], data["cover"][:, 1::2] = 7, 3
    made = regrid(data, regular(20.0), "majority", engine=PLAIN).cover
    assert (made == 3).all()
    turned = data.isel(lon=slice(None, None, -1)).sortby("lon")
    assert (regrid(turned, regular(20.0), "majority", engine=PLAIN).cover == 3).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_integer_type_flags_and_fill_value_are_kept(engine, tmp_path):
    data = cover(regular(5.0).sel(lat=slice(0, 50)), missing=0.1)
    made = regrid(data, 10.0, "majority", engine=engine)
    assert made.cover.dtype == np.uint8
    assert set(np.unique(made.cover)) == {1, 3, 7, 255}
    assert (made.cover.sel(lat=slice(-90, 0)) == 255).all()
    assert made.cover.attrs["flag_meanings"] == "wood field town"
    assert made.cover.attrs["flag_values"].dtype == np.uint8
    assert made.cover.attrs["cell_methods"] == "area: mode"
    made.to_netcdf(tmp_path / "cover.nc")
    raw = xr.open_dataset(tmp_path / "cover.nc", mask_and_scale=False).cover
    assert raw.dtype == np.uint8
    assert raw.attrs["_FillValue"] == 255
    # As read from a file: floats that were integers.
    decoded = xr.open_dataset(tmp_path / "cover.nc")
    assert decoded.cover.dtype.kind == "f"
    again, once = (regrid(d, 30.0, "majority", engine=engine).cover for d in (decoded, made))
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, once)
    nearest = regrid(made, 30.0, "nearest", engine=engine).cover
    assert nearest.dtype == np.uint8
    assert nearest.encoding["_FillValue"] == 255


@pytest.mark.parametrize("engine", ENGINES)
def test_fractions_sum_to_one_and_have_metadata(engine):
    data = cover(regular(5.0), missing=0.3, time=2)
    made = regrid(data, 10.0, "fractions", engine=engine).cover_fraction
    assert made.dims == ("time", "cover_class", "lat", "lon")
    assert made.dtype == np.float32
    assert made.attrs["standard_name"] == "area_fraction"
    assert made.attrs["units"] == "1"
    assert made.cover_class.values.tolist() == [1, 3, 7]
    assert made.cover_class.attrs["flag_meanings"] == "wood field town"
    known = made.notnull().all("cover_class")
    assert 0.5 < float(known.mean()) < 1
    np.testing.assert_allclose(made.sum("cover_class").where(known).fillna(1), 1, atol=1e-6)


def test_nothing_is_computed_and_chunks_do_not_matter():
    data = cover(regular(6.0), missing=0.2, time=3)
    computed = []
    for method in ("majority", "fractions"):
        plain_one = regrid(data, 20.0, method, engine=PLAIN)
        with dask.config.set(scheduler=lambda *a, **k: computed.append(a)):
            made = regrid(data.chunk(time=1, lat=7), 20.0, method, engine=PLAIN)
        xr.testing.assert_equal(made.compute(), plain_one)
    assert not computed


@pytest.mark.parametrize("method", ["majority", "fractions"])
def test_the_compliance_checker_finds_no_error(tmp_path, method):
    data = cover(regular(10.0), missing=0.2).assign_attrs(title="a test")
    check_cf(regrid(data, 20.0, method, engine=PLAIN), tmp_path)


def test_means_of_classes_and_classes_of_numbers_are_refused_at_once():
    data = cover(regular(10.0)).assign(other=lambda d: d.cover)
    for method in ("conservative", "bilinear"):
        with pytest.raises(InputError, match="majority") as caught:
            regrid(data, 20.0, method, engine=PLAIN)
        assert len(caught.value.problems) == 2
    data["other"] = (("lat", "lon"), np.random.default_rng(0).random((18, 36)))
    with pytest.raises(InputError, match="variable 'other'.*expected classes.*conservative"):
        regrid(data, 20.0, "majority", engine=PLAIN)


def test_lazy_classes_need_flag_values():
    data = cover(regular(10.0))
    data.cover.attrs = {}
    made = regrid(data, 20.0, "fractions", engine=PLAIN)
    assert made.cover_class.values.tolist() == [1, 3, 7]
    with pytest.raises(InputError, match="lazy and has no flag_values"):
        regrid(data.chunk(), 20.0, "fractions", engine=PLAIN)
    assert (regrid(data.chunk(), 20.0, "majority", engine=PLAIN).cover < 8).all()
    data.cover.attrs = FLAGS
    data["cover"][3, 3] = 9
    with pytest.raises(InputError, match=r"codes \[9\]"):
        regrid(data, 20.0, "fractions", engine=PLAIN)


def test_a_class_cannot_be_the_fill_value():
    data = cover(regular(10.0))
    data.cover.attrs["flag_values"] = np.array([1, 3, 255], "u1")
    with pytest.raises(InputError, match="class 255"):
        regrid(data, 20.0, "majority", engine=PLAIN)


def mixed():
    data = cover(regular(10.0)).assign(tas=(("lat", "lon"), np.ones((18, 36))))
    data["word"] = (("lat", "lon"), np.full((18, 36), "x"))
    return data


def test_each_variable_may_have_its_own_method():
    data = mixed().drop_vars("word")
    made = regrid(data, 20.0, {"cover": "majority"}, engine=PLAIN)
    expected = regrid(data.cover, 20.0, "majority", engine=PLAIN)
    np.testing.assert_array_equal(made.cover, expected)
    assert made.tas.attrs["cell_methods"] == "area: mean"
    assert "method majority, conservative" in made.attrs["history"]
    with pytest.raises(InputError, match=r"names 'clover'; there are cover, tas"):
        regrid(data, 20.0, {"clover": "majority"}, engine=PLAIN)
    with pytest.raises(InputError, match="tas.*expected classes"):
        regrid(data, 20.0, {"cover": "majority", "tas": "majority"}, engine=PLAIN)


def test_classes_and_words_among_numbers_are_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="left out cover, word: .*no mean.*drop it"):
        made = regrid(mixed(), 20.0, engine=PLAIN)
    assert set(made.data_vars) == {"tas"}
    with pytest.raises(InputError, match="no mean"):
        regrid(mixed()[["cover", "word"]], 20.0, engine=PLAIN)


def test_signed_flags_of_unsigned_classes_are_understood():
    data = cover(regular(10.0))
    code = np.zeros(8, "u1")
    code[[1, 3, 7]] = 10, 130, 220
    data["cover"] = data.cover.copy(data=code[data.cover.values])
    signed = code[[1, 3, 7]].view("i1")
    data["cover"].attrs["flag_values"] = signed
    made = regrid(data, 20.0, "fractions", engine=PLAIN)
    assert made.cover_class.values.tolist() == [10, 130, 220]
    np.testing.assert_allclose(made.cover_fraction.sum("cover_class"), 1, atol=1e-6)
    floats = regrid(data.where(data.cover > 0), 20.0, "majority", engine=PLAIN)
    whole = regrid(data, 20.0, "majority", engine=PLAIN)
    assert whole.cover.attrs["flag_values"].dtype == np.uint8
    assert set(np.unique(whole.cover)) <= {10, 130, 220}
    assert set(np.unique(floats.cover.values.astype("u1"))) <= {10, 130, 220}
