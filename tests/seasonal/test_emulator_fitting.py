"""Fits of seasonal emulators: sources, regions, settings, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import Settings, Variable, fit, forecast

TINY = {"width": 16, "heads": 2, "depth": 1, "latent": 4}


ONCE = Settings(epochs=1)


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return monthly(red_noise(50, 6, 12, seed=3))


def test_several_variables_sources_and_a_region():
    one, two = (
        xr.merge(
            [
                monthly(red_noise(55, 6, 12, seed=seed)),
                monthly(red_noise(55, 6, 12, seed=seed + 1), name="psl", units="Pa"),
            ]
        )
        for seed in (0, 10)
    )
    both = xr.concat([one, two], xr.Variable("source_id", ["obs", "model"]))
    emulator = fit(
        both,
        predictors=["tas", "psl"],
        targets=["tas", "psl"],
        region=(30, 80, -20, 50),
        validation=10,
        progress=False,
        parameters=TINY,
        settings=ONCE,
    )
    assert emulator.card.sources == ("obs", "model")
    made = forecast(one, "DJF", years=1940, members=4, emulator=emulator)
    assert set(made.data_vars) == {"tas", "psl"}
    assert made.psl.attrs["units"] == "Pa"
    assert made.lat.values.tolist() == [75.0, 45.0]
    assert made.lon.values.tolist() == [-15.0, 15.0, 45.0]
    assert np.isfinite(made.tas).all()


def test_the_card_records_the_training(seasonal_emulator):
    training = seasonal_emulator.card.training
    assert training["validation_years"] == 10
    assert training["years"] == "1900-1939"


def test_scales_come_from_training_years_alone():
    values = red_noise(60, 6, 12)
    changed = values.copy()
    changed[12 * 50 :] *= 5  # the validation years
    one, other = (
        fit(monthly(v), validation=10, progress=False, parameters=TINY, settings=ONCE).weights
        for v in (values, changed)
    )
    for name in ("scale", "persistence"):
        np.testing.assert_array_equal(one[name], other[name])


def test_settings_come_as_a_file_and_keywords_override_them(world, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("epochs = 3\nbeta = 0.5\n")
    emulator = fit(
        world, validation=10, progress=False, parameters=TINY, settings=path, epochs=1, seed=2
    )
    said = emulator.card.training["settings"]
    assert (said["epochs"], said["beta"], said["seed"], said["batch_size"]) == (1, 0.5, 2, 64)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"validation": 0}, "expected years to choose the blend and the spread on"),
        ({"trend": "curve"}, "trend='curve', expected one of line, shrunk"),
        ({"predictors": ["zg"]}, "predictors=\\['zg'\\], but the data hold"),
        ({"region": "atlantis"}, "region 'atlantis', expected one of globe"),
        ({"settings": Settings(epochs=0)}, "epochs=0, expected greater than or equal to 1"),
        ({"epohs": 1}, "no setting 'epohs' \\(is it 'epochs'\\?\\); there are epochs, batch_size"),
        ({"regoin": "europe"}, "no setting 'regoin' \\(is it 'region'\\?\\)"),
        ({"epochs": 0, "trend": "curve"}, "(?s)2 problems.*epochs=0.*trend='curve'"),
        ({"grid": 7.0}, "7° does not divide 180° from pole to pole evenly"),
        ({"validation": 20}, "no source has 41 years to learn from"),
        ({"validation": 40}, "no year to learn from"),
        ({"predictors": [Variable(name="zg", units="m")]}, "zg"),
    ],
)
def test_bad_fits_are_refused_before_training(world, how, match):
    with pytest.raises(InputError, match=match):
        fit(world, progress=False, parameters=TINY, **{"settings": ONCE, **how})


def test_one_emulator_of_several_leads_is_less_sure_of_later_seasons(world):
    emulator = fit(
        world, leads=(0, 4), validation=10, progress=False, parameters=TINY, settings=ONCE
    )
    spread = [
        float(
            forecast(world, "JJA", lead=lead, years=[1949], members=40, emulator=emulator)
            .tas.std("realization")
            .mean()
        )
        for lead in (0, 4)
    ]
    assert spread[0] < 0.97 * spread[1]


def test_a_predictor_that_is_too_short_is_named(world):
    short = monthly(red_noise(50, 6, 12, seed=9), name="psl", units="Pa")
    short = short.where(short.time.dt.year > 1925)
    both = xr.merge([world, short])
    with pytest.raises(InputError, match="psl: no source has 41 years .* or leave a predictor out"):
        fit(both, targets=["tas"], validation=5, progress=False, parameters=TINY, settings=ONCE)
