"""Emulators of continuous variables: trained, kept, applied and stored like those of classes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xai4land
from compliance import complaints
from xai4land import InputError
from xai4land.emulator import Numbers, NumberVariable
from xai4land.heads.conserve import conserve_means
from xai4land.inference.apply import apply
from xai4land.training.fit import fit_maps
from xai4land.training.regions import Region

RATIO = 4
QUICK = {"epochs": 4, "steps": 40, "batch_size": 4, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def biomass(planet):
    """Fine biomass that falls with height within each coarse cell, and its mean over the cells."""
    rows = slice(320, 480)  # 10°N to 30°S
    fine = planet.isel(lat_fine=rows, lat=slice(80, 120), time=slice(1))
    height = fine.elevation.fillna(0.0)
    cells = {"lat_fine": RATIO, "lon_fine": RATIO}
    low = height - height.coarsen(cells).mean().pad(lat_fine=0).broadcast_like(
        height.coarsen(cells).mean()
    ).values.repeat(RATIO, 0).repeat(RATIO, 1)
    forest = (fine.primf + fine.secdf).fillna(0.0).values[0].repeat(RATIO, 0).repeat(RATIO, 1)
    values = (100 + 100 * forest - 0.3 * low.values).clip(0, 400).astype(np.float32)
    truth = height.copy(data=values).expand_dims(time=fine.time)
    mean = values.reshape(40, RATIO, 360, RATIO).mean((1, 3))
    data = fine[["elevation"]].assign(
        coarse_biomass=fine.primf.copy(data=mean[None]).assign_attrs(units="Mg ha-1")
    )
    return data, truth.where(fine.elevation.notnull())


def numbers(**changes):
    variable = NumberVariable(
        name="biomass",
        long_name="above-ground biomass",
        units="Mg ha-1",
        valid_range=(0, 500),
        coarse="coarse_biomass",
    )
    return Numbers(**{"variables": [variable], "conserve": True, **changes})


@pytest.fixture(scope="module")
def emulator(biomass, tmp_path_factory):
    data, truth = biomass
    made = fit_maps(
        Region(data, [truth]),
        numbers(),
        window=32,
        parameters={"widths": [8, 16]},
        settings=QUICK,
        progress=False,
    )
    path = tmp_path_factory.mktemp("numbers") / "biomass.safetensors"
    made.save(path)
    return xai4land.load_emulator(path)


@pytest.fixture(scope="module")
def maps(biomass, emulator):
    return apply(emulator, biomass[0], precision="float32")


def test_it_is_lazy_and_says_what_it_holds(maps, emulator):
    assert maps.biomass.chunks is not None
    assert maps.biomass.dims == ("time", "lat", "lon")
    assert maps.biomass.attrs["units"] == "Mg ha-1"
    assert maps.biomass.attrs["cell_methods"] == "area: mean"
    assert maps.attrs["emulator_sha256"] == emulator.sha256


def test_it_is_better_than_the_interpolated_coarse_field(maps, biomass):
    data, truth = biomass
    coarse = data.coarse_biomass.interp(
        lat=truth.lat_fine, lon=truth.lon_fine, kwargs={"fill_value": None}
    )
    nearest = data.coarse_biomass.values[0].repeat(RATIO, 0).repeat(RATIO, 1)

    def error(values):
        return float(np.sqrt(np.nanmean((values - truth.values[0]) ** 2)))

    made = error(maps.biomass.values[0])
    assert made < 0.9 * error(coarse.values[0])
    assert made < 0.9 * error(nearest)


def test_means_over_coarse_cells_are_those_of_the_input(maps, biomass):
    data, _ = biomass
    values = maps.biomass.values[0].reshape(40, RATIO, 360, RATIO)
    whole = np.isfinite(values).all((1, 3))
    means = values.mean((1, 3))[whole]
    np.testing.assert_allclose(means, data.coarse_biomass.values[0][whole], atol=0.01)
    assert whole.sum() > 1000


def test_values_stay_in_their_valid_range_and_sea_is_missing(maps, biomass):
    values = maps.biomass.values
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 500


def test_the_answer_does_not_depend_on_chunks(maps, biomass, emulator):
    other = apply(emulator, biomass[0], precision="float32", chunks=(50, 333), batch_size=3)
    np.testing.assert_allclose(maps.biomass, other.biomass, atol=1e-3)


def test_a_stored_map_passes_the_cf_checker(maps, tmp_path):
    xai4land.write(maps, tmp_path / "biomass.nc", progress=False)
    assert not complaints(tmp_path / "biomass.nc")


def test_months_have_the_bounds_of_months(biomass, emulator):
    card = emulator.card.with_(outputs={**emulator.card.outputs.model_dump(), "period": "month"})
    monthly = type(emulator)(card, emulator.weights)
    data = xr.concat([biomass[0]] * 2, "time", data_vars="minimal").assign_coords(
        time=np.array(["2000-01-16", "2000-02-15"], "M8[s]")
    )
    bounds = apply(monthly, data).time_bnds.values.astype("M8[D]").astype(str).tolist()
    assert bounds == [["2000-01-01", "2000-02-01"], ["2000-02-01", "2000-03-01"]]
    with pytest.raises(InputError, match="several steps in a year"):
        apply(emulator, data)


def test_a_variable_without_a_coarse_input_is_learned_from_scratch(biomass):
    data, truth = biomass
    outputs = Numbers(
        variables=[NumberVariable(name="biomass", units="Mg ha-1", valid_range=(0, 500))]
    )
    emulator = fit_maps(
        Region(data, [truth]),
        outputs,
        window=32,
        parameters={"widths": [8, 16]},
        settings=QUICK,
        progress=False,
    )
    assert emulator.card.outputs.variables[0].offset == pytest.approx(float(truth.mean()), rel=0.1)
    made = apply(emulator, data).biomass
    error = np.sqrt(np.nanmean((made.values - truth.values) ** 2))
    assert error < float(truth.std())


def test_a_coarse_input_in_other_units_is_converted(biomass, emulator, maps):
    data, _ = biomass
    grams = (data.coarse_biomass * 100).assign_attrs(units="g m-2")
    made = apply(emulator, data.assign(coarse_biomass=grams), precision="float32")
    np.testing.assert_allclose(made.biomass, maps.biomass, rtol=1e-4, atol=1e-2)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_means_are_met_within_the_range(seed, rows, columns):
    import torch

    from xai4land.windows.cells import Cells

    rng = np.random.default_rng(seed)
    cell = [np.sort(rng.integers(0, 3, n * 4)) for n in (rows, columns)]
    cell = [np.unique(c, return_inverse=True)[1] for c in cell]
    wanted = rng.uniform(0, 1, (1, cell[0].max() + 1, cell[1].max() + 1))
    cells = Cells(*(torch.from_numpy(c) for c in cell), torch.from_numpy(wanted).float())
    values = torch.from_numpy(rng.normal(0.5, 1, (1, rows * 4, columns * 4))).float()
    low, high = torch.zeros(1), torch.ones(1)
    fitted = conserve_means(values, cells, low, high, rounds=60).numpy()
    assert fitted.min() >= 0
    assert fitted.max() <= 1
    for i, j in np.ndindex(wanted.shape[1:]):
        part = fitted[0][cell[0] == i][:, cell[1] == j]
        assert part.mean() == pytest.approx(wanted[0, i, j], abs=2e-3)
