"""On real data, where they lie beside the checkout."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xai4land  # noqa: F401
from xai4land import InputError
from xai4land_land import LAND_STATES, fit, states_from_luh2

EUROPE = {"lat": slice(60, 35), "lon": slice(-10, 30)}
LEGEND = [c.name for c in LAND_STATES.classes]


@pytest.fixture(scope="module")
def earth(shared_land):
    states = xr.open_dataset(shared_land / "global_states_2019_0p25.nc")
    static = xr.open_dataset(shared_land / "global_static_0p1.nc")
    truth = xr.open_dataset(shared_land / "global_igbp_2019_0p05.nc").land_cover
    return states, static, truth


def test_the_bundled_emulator_beats_interpolation_in_europe(earth):
    states, static, truth = earth
    land = truth.sel(EUROPE)
    land = land.where(land != 0)
    made = states.ai4land.reconstruct(static=static, target=land)
    assert made.attrs["emulator"] == "modis-landcover-0p05"
    scores = made.ai4land.evaluate(land).compute()
    for score in (scores.accuracy, scores.mean_iou):
        assert score.sel(source="emulator") > score.sel(source="bilinear") + 0.01


def test_the_map_conserves_the_states(earth):
    states, static, truth = earth
    box = {"lat": slice(50, 45), "lon": slice(0, 10)}
    made = states.ai4land.reconstruct(
        static=static, target=truth.sel(box), probabilities=True
    ).compute()
    mean = made.land_cover_probability.isel(time=0).coarsen(lat=5, lon=5).mean()
    coarse = states.isel(time=0).sel(box)[LEGEND].to_dataarray()
    assert float(np.abs(mean.values - coarse.values).max()) < 0.02


def test_luh2_names_say_how_to_form_the_states(earth, planet):
    _, static, _ = earth
    with pytest.raises(InputError, match="states_from_luh2"):
        planet[["primf", "secdf"]].ai4land.reconstruct(static=static)


def test_it_runs_on_luh2_states(earth, planet):
    """The planet's states have LUH2's names; Earth's climate tells them apart."""
    _, static, _ = earth
    luh2 = planet.drop_vars(["land_cover", "lat_fine", "lon_fine"], errors="ignore")
    luh2 = luh2.isel(time=[0], lat=slice(60, 84), lon=slice(75, 107)).assign_coords(
        lat=("lat", 47.875 - 0.25 * np.arange(24), planet.lat.attrs),
        lon=("lon", 0.125 + 0.25 * np.arange(32), planet.lon.attrs),
    )
    formed = states_from_luh2(luh2, static.koppen)
    total = formed.to_dataarray().sum("variable")
    np.testing.assert_allclose(total, 1, atol=1e-5)
    made = formed.ai4land.reconstruct(static=static, target=0.05).compute()
    assert made.land_cover.shape == (1, 120, 160)
    assert set(np.unique(made.land_cover)) <= set(range(8))


def test_uk_hilda_is_fitted_and_carried_to_2012(shared_land):
    states = xr.open_dataset(shared_land / "uk_states_0p25.nc")
    static = xr.open_dataset(shared_land / "uk_static_0p01.nc")
    truth = xr.open_dataset(shared_land / "uk_hilda_0p01.nc")
    emulator = fit(
        states.isel(time=[0]),
        truth.isel(time=[0]),
        static=static,
        window=100,
        epochs=1,
        steps=8,
        batch_size=2,
        parameters={"widths": [16, 32]},
        progress=False,
    )
    made = states.isel(time=[1]).ai4land.reconstruct(emulator, static=static)
    scores = made.ai4land.evaluate(truth.isel(time=[1])).compute()
    assert float(scores.accuracy.sel(source="emulator")) > 0.6
    assert [c.name for c in emulator.card.outputs.classes][1] == "urban"


def test_the_real_grids_are_read_or_refused(shared_land):
    from xai4land.grids.grid import Grid

    grids = shared_land.parent / "grids"
    for name, words in (
        ("orca2_votemper.nc", "curvilinear"),
        ("camse_unstructured_grid.nc", "expected one CF coordinate of latitude, found none"),
        ("rotated_pole.nc", "expected one CF coordinate of latitude, found none"),
    ):
        data = xr.open_dataset(grids / name, decode_times=False)
        with pytest.raises(InputError, match=words):
            Grid.of(data, name)
    regular = xr.open_dataset(grids / "small_FC_167_mon_19601101.nc", decode_times=False)
    assert Grid.of(regular.tas).shape == (73, 144)
