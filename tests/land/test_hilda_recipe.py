"""The recipe at 1 km reads files laid out as those of HILDA+ and LUH2."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from xai4land import InputError
from xai4land_land import HILDA

RECIPES = Path(__file__).parents[2] / "recipes"
THIRTEEN = [0, 11, 22, 33, 40, 41, 42, 43, 44, 45, 55, 66, 77]
GROUPS = [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 6, 7]


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))
    for name in ("hilda_1km", "hilda_1km_sample"):
        sys.modules.pop(name, None)
    return pytest.importorskip("hilda_1km")


@pytest.mark.parametrize("kind", ["u1", "i2", "f4"])
def test_thirteen_codes_become_eight_groups_and_others_are_refused(recipe, kind):
    codes = np.array([[*THIRTEEN, 99]], kind)
    assert recipe.translate(codes, 99, "it").tolist() == [[*GROUPS, 255]]
    with pytest.raises(InputError, match="it has codes 99, expected 0, 11, 22"):
        recipe.translate(codes, None, "it")
    with pytest.raises(InputError, match="and not of transitions"):
        recipe.translate(np.array([[4411]]), 0, "it")  # 0 is the ocean, whatever a file says


def test_files_become_stores_of_all_years(recipe, tmp_path, monkeypatch):
    import hilda_1km_sample as sample

    monkeypatch.setattr(sample, "CELLS", (6, 8))
    files, store = tmp_path / "files", tmp_path / "store"
    files.mkdir()
    sample.write_sample(files)
    pattern = files / "hilda_plus_{year}_states*"
    how = argparse.Namespace(
        luh2=str(files / "states*.nc"), maps=str(pattern), years="1998-2003", store=store
    )
    recipe.prepare(how)
    states, maps = recipe.open_prepared(store)
    expected = sample.make_maps()
    groups = np.full(256, 255)
    groups[THIRTEEN] = GROUPS
    np.testing.assert_array_equal(maps.values, groups[expected])
    assert maps.attrs["flag_meanings"].split() == [c.name for c in HILDA.classes]
    assert states.time.dt.year.values.tolist() == list(range(1998, 2004))
    crops = (expected == 22).reshape(6, 6, 25, 8, 25).mean((2, 4))
    land = ~(expected == 0).reshape(6, 6, 25, 8, 25).all((2, 4))
    np.testing.assert_allclose(states.crop.values[land], crops[land], atol=1e-6)
    assert np.isnan(states.crop.values[~land]).all()
    how.maps = str(files / "none_{year}.tif")
    with pytest.raises(InputError, match="0 files are like .*none_1998.tif, expected one"):
        recipe.prepare(how)
    test = recipe.hidden(maps, 0.25)
    blocks = np.floor((90 - maps.lat) / 7.5) + np.floor((maps.lon + 180) / 7.5)
    xr.testing.assert_equal(test.compute(), blocks % 5 == 0)
