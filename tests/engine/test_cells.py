"""Cells, their areas, and means over them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import coordinate, globe
from xai4land import InputError
from xai4land.grids.axis import Axis
from xai4land.grids.cells import cell_areas, cell_edges
from xai4land.grids.grid import Grid
from xai4land.regridding import cell_means


def mean(field: xr.DataArray) -> float:
    return float((field * cell_areas(Grid.of(field)).values).sum())


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(4, 40),
    columns=st.integers(4, 60),
    new=st.tuples(st.integers(2, 30), st.integers(3, 40)),
    west=st.sampled_from([-180.0, 0.0, 13.0]),
)
def test_the_global_mean_is_conserved(rows, columns, new, west):
    field = globe(rows, columns)
    made = cell_means(field, Grid.of(globe(*new, west=west)))
    assert mean(made) == pytest.approx(mean(field), abs=1e-12)
    constant = cell_means(xr.ones_like(field), Grid.of(globe(*new, west=west)))
    np.testing.assert_allclose(constant, 1.0, rtol=1e-12)


def test_the_order_of_rows_and_columns_does_not_matter():
    field, target = globe(18, 36), Grid.of(globe(6, 9))
    turned = field.isel(lat=slice(None, None, -1)).roll(lon=7, roll_coords=True)
    turned["lon"] = coordinate("lon", turned.lon.values % 360)
    turned = turned.sortby("lon")
    np.testing.assert_allclose(cell_means(turned, target), cell_means(field, target), atol=1e-12)


def test_missing_cells_affect_only_the_cells_around_them():
    field, target = globe(18, 36), Grid.of(globe(6, 12))
    holed = field.copy()
    holed[0, 0] = np.nan
    made, whole = cell_means(holed, target), cell_means(field, target)
    assert np.isfinite(made).all()
    assert ((made != whole).values.nonzero()[0] == 0).all()
    assert int((made != whole).sum()) == 1
    holed[:3, :3] = np.nan
    assert int(cell_means(holed, target).isnull().sum()) == 1


def test_cells_centred_on_the_poles_are_half_cells():
    grid = Grid(Axis(np.arange(-90.0, 91, 10)), Axis(np.arange(0.0, 360, 10), True, True))
    assert cell_edges(grid)[0][0].tolist() == [-90, -85]
    assert float(cell_areas(grid).sum()) == pytest.approx(1)


def test_lazy_fields_stay_lazy_and_bad_bounds_are_refused():
    field = globe(18, 36).expand_dims(time=4).chunk({"time": 1})
    made = cell_means(field, Grid.of(globe(6, 9)))
    assert made.chunks is not None
    assert made.dims == ("time", "lat", "lon")
    bad = field.to_dataset(name="x").assign(lat_bnds=(("lat", "b"), np.zeros((18, 3))))
    with pytest.raises(InputError, match="lat_bnds"):
        cell_means(bad["x"], Grid.of(globe(6, 9)), bad)
