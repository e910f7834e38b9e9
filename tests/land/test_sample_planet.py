"""The sample planet: reproducible, consistent, and with slow changes of land use as on Earth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xai4land
from xai4land import InputError

LUH2 = [
    "primf",
    "primn",
    "secdf",
    "secdn",
    "urban",
    "c3ann",
    "c4ann",
    "c3per",
    "c4per",
    "c3nfx",
    "pastr",
    "range",
]
PARTS = {
    1: ["urban"],
    2: ["c3ann", "c4ann", "c3per", "c4per", "c3nfx"],
    3: ["pastr", "range"],
    4: ["primf", "secdf"],
}


def test_it_has_the_states_of_luh2_and_static_features(planet):
    assert set(LUH2) | {"secma", "secmb"} <= set(planet.data_vars)
    assert {"elevation", "slope", "aspect", "clay", "sand", "organic"} <= set(planet.data_vars)
    for name in LUH2:
        assert planet[name].attrs["standard_name"] == "area_fraction"
        assert planet[name].attrs["units"] == "1"


def test_the_seed_decides_the_planet(planet):
    again = xai4land.sample("land", years=[2001])
    xr.testing.assert_identical(planet.isel(time=[1]), again)
    other = xai4land.sample("land", seed=5, years=[2001])
    assert float((other.land_cover != again.land_cover).mean()) > 0.1


def test_block_fractions_agree_with_the_states(planet):
    truth = planet.land_cover.values
    for year in range(planet.sizes["time"]):
        block = truth[year].reshape(180, 4, 360, 4)
        ocean = (block == 0).mean((1, 3)) == 1
        for value, names in PARTS.items():
            states = sum(planet[name].isel(time=year).values for name in names)
            np.testing.assert_allclose(
                states[~ocean], (block == value).mean((1, 3))[~ocean], atol=1e-6
            )
        nonforest = (planet.primn + planet.secdn).isel(time=year).values
        np.testing.assert_allclose(
            nonforest[~ocean], np.isin(block, (5, 6)).mean((1, 3))[~ocean], atol=1e-6
        )
        assert np.isnan(planet.urban.isel(time=year).values[ocean]).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_land_use_is_plausible_and_changes_slowly(seed):
    planet = xai4land.sample("land", seed=seed, years=[2000, 2001])
    cover = planet.land_cover.values
    land = cover[0] != 0
    assert 0.2 < land.mean() < 0.45
    assert 0.0005 < (cover[0] != cover[1])[land].mean() < 0.02
    shares = np.bincount(cover[0][land], minlength=8) / land.sum()
    assert (shares[1:] > 0.001).all()
    assert shares[1] < 0.05
    # Cropland lies on flatter ground than forest, and bare land is the driest or coldest.
    slope = planet.slope.values
    assert np.nanmean(slope[cover[0] == 2]) < np.nanmean(slope[cover[0] == 4])


def test_the_planet_is_continuous_across_the_date_line():
    """Elevation steps across the date line are as small as anywhere."""
    planet = xai4land.sample("land", seed=0, years=[2000])
    height = planet.elevation.fillna(0).values
    seam = np.abs(height[:, 0] - height[:, -1]).mean()
    typical = np.abs(np.diff(height, axis=1)).mean()
    assert seam < 5 * typical


def test_a_good_emulator_beats_interpolation(planet):
    """On a planet that the bundled emulator has never seen."""
    made = planet.drop_vars("land_cover").ai4land.reconstruct()
    scores = made.ai4land.evaluate(planet.land_cover).compute()
    for score in (scores.accuracy, scores.mean_iou, scores.macro_f1):
        one = {name: float(score.sel(source=name)) for name in scores.source.values}
        assert one["emulator"] > one["bilinear"] + 0.02
        assert one["emulator"] > one["nearest"] + 0.02


@pytest.mark.parametrize(("kind", "years"), [("sea", [2000]), ("land", [])])
def test_unknown_kinds_and_empty_years_are_refused(kind, years):
    with pytest.raises(InputError):
        xai4land.sample(kind, years=years)
