"""Outputs: CF metadata, pictures."""

from __future__ import annotations

import numpy as np
import pytest

from compliance import complaints
from xai4land import InputError, write
from xai4land_land import reconstruct


@pytest.fixture(scope="module")
def made(world, emulator):
    return reconstruct(world.assign_attrs(history="before"), emulator, probabilities=True)


def test_flags_and_coordinates(made, emulator):
    cover = made.land_cover
    assert cover.dtype == np.uint8
    assert cover.attrs["flag_values"].dtype == np.uint8
    assert cover.attrs["flag_meanings"] == "wood field town"
    assert cover.encoding["_FillValue"] == 255
    assert made.attrs["Conventions"] == "CF-1.11"
    assert made.attrs["emulator"] == "small"
    assert made.attrs["emulator_sha256"] == emulator.sha256
    newest, oldest = made.attrs["history"].splitlines()
    assert "emulator small" in newest
    assert oldest == "before"
    for name in ("lat", "lon", "time"):
        assert made[name].attrs["bounds"] == f"{name}_bnds"
    np.testing.assert_allclose(made.lat_bnds[0], [90, 87.5])
    np.testing.assert_allclose(made.lon_bnds[-1], [177.5, 180])


@pytest.mark.parametrize("gap", [False, True])
def test_the_compliance_checker_finds_no_error(world, emulator, tmp_path, gap):
    if gap:
        world = world.copy(deep=True)
        world["wood"][:, 3, 3] = np.nan
    made = reconstruct(world, emulator, probabilities=True)
    assert not complaints(write(made, tmp_path / "map.nc", progress=False), "lenient")
    # CF recommends classes before time, where CDO reads nothing.
    maps = made.drop_vars(["land_cover_probability", "land_cover_class"])
    assert not complaints(write(maps, tmp_path / "maps.nc", progress=False))


def test_pictures_are_drawn(made, world, tmp_path):
    figure = made.ai4land.plot()
    figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000
    titles = [
        axis.get_title() for axis in made.ai4land.plot(beside={"truth": made.land_cover}).axes
    ]
    assert titles == ["coarse majority", "land cover", "truth"]
    year = int(made.time.dt.year[0])
    [axis] = made.ai4land.plot(years=[year]).axes
    assert axis.get_title() == str(year)
    with pytest.raises(InputError, match="no map of 1066"):
        made.ai4land.plot(years=[year, 1066])
    with pytest.raises(InputError, match="reconstruct"):
        world.ai4land.plot()
