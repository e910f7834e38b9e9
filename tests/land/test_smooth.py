"""Factors that go on smoothly across the borders of coarse cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import xai4land
from conftest import random_emulator, small_card, small_world
from xai4land import InputError
from xai4land.heads.smooth import find_smooth_factors
from xai4land.windows.cells import Cells
from xai4land_land import evaluate, fit, reconstruct


def with_smooth(card, smooth):
    return card.with_(outputs=card.outputs.model_copy(update={"smooth": smooth}))


def cells_of(values, size):
    rows, columns = (torch.arange(n * size) // size for n in values.shape[1:])
    return Cells(rows, columns, values)


def test_factors_bring_the_means_of_cells_near_the_fractions():
    rng = np.random.default_rng(0)
    wanted = torch.tensor(rng.dirichlet([3, 3], (6, 6)), dtype=torch.float32).permute(2, 0, 1)
    likely = torch.full((2, 24, 24), 0.5)
    found = find_smooth_factors(likely, cells_of(wanted, 4), torch.tensor([0, 1]))
    fitted = torch.softmax(torch.log(likely) + found, 0)
    means = fitted.reshape(2, 6, 4, 6, 4).mean((2, 4))
    assert abs(means - wanted).mean() < abs(0.5 - wanted).mean() / 2


def test_factors_have_no_steps_at_borders():
    wanted = torch.tensor([[[0.1, 0.9, 0.2]], [[0.9, 0.1, 0.8]]])
    cells = cells_of(wanted, 8)
    found = find_smooth_factors(torch.full((2, 8, 24), 0.5), cells, torch.tensor([0, 1]))
    steps = found[0, 0].diff().abs()
    assert steps[7] == pytest.approx(float(steps[6]), rel=1e-3)
    assert torch.equal(found[:, 0], found[:, 7])


def test_missing_and_cut_cells_get_no_factor():
    wanted = torch.tensor([[[torch.nan, 0.9, 0.2]], [[torch.nan, 0.1, 0.8]]])
    columns = torch.tensor([0] * 8 + [1] * 8 + [2] * 3)
    cells = Cells(torch.zeros(8, dtype=torch.long), columns, wanted)
    found = find_smooth_factors(torch.full((2, 8, 19), 0.5), cells, torch.tensor([0, 1]))
    assert torch.equal(found[:, :, :3], torch.zeros(2, 8, 3))
    assert abs(found[:, :, -1]).max() == 0


@pytest.fixture(scope="module")
def world():
    return small_world(times=1)


def test_maps_depend_on_neither_chunks_nor_domain(world):
    emulator = random_emulator(with_smooth(small_card(), 0.5))
    data = world.drop_vars("truth")
    how = {"precision": "float32", "probabilities": True}
    whole = reconstruct(data, emulator, **how).compute()
    other = reconstruct(data, emulator, chunks=(13, 29), batch_size=3, **how).compute()
    xr.testing.assert_equal(whole.land_cover, other.land_cover)
    part = whole.isel(lat=slice(21, 50), lon=slice(33, 95))
    target = xr.Dataset(coords={"lat": part.lat, "lon": part.lon})
    cut = reconstruct(data, emulator, target=target, **how).compute()
    np.testing.assert_allclose(cut.land_cover_probability, part.land_cover_probability, atol=1e-6)


def test_cells_keep_their_fractions_and_show_less(world):
    data = world.drop_vars("truth")
    made = {}
    for smooth in (0.0, 0.5):
        emulator = random_emulator(with_smooth(small_card(), smooth))
        how = {"probabilities": True, "precision": "float32"}
        made[smooth] = reconstruct(data, emulator, **how).compute()
        means = made[smooth].land_cover_probability.coarsen(lat=4, lon=4).mean()
        wanted = np.stack([data[n].values for n in ("wood", "field", "town")], 1)
        np.testing.assert_allclose(means.values, wanted, atol=0.02)
    ratios = [
        float(evaluate(m, world.truth, cells=10.0).border_ratio.sel(source="emulator"))
        for m in made.values()
    ]
    assert abs(ratios[1] - 1) < abs(ratios[0] - 1)


def test_an_emulator_is_trained_with_what_it_is_used_with():
    planet = xai4land.sample("land", years=[2000])
    how = {"epochs": 1, "steps": 1, "batch_size": 1, "window": 32, "progress": False}
    data = planet.drop_vars("land_cover")
    shape = {"widths": [8, 16]}
    emulator = fit(data, planet.land_cover, smooth=0.3, parameters=shape, **how)
    assert emulator.card.outputs.smooth == 0.3
    plain = fit(data, planet.land_cover, parameters=shape, **how)
    assert any(not torch.equal(w, plain.weights[n]) for n, w in emulator.weights.items())
    with pytest.raises(InputError, match="smooth=2"):
        fit(data, planet.land_cover, smooth=2, **how)
