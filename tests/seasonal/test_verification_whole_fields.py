"""Members as maps: whole fields, regional means, neighbouring cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly
from xai4land import InputError
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid, global_grid
from xai4land_seasonal import seasonal_means, verify
from xai4land_seasonal.verification.space import MAX_PAIRS, NEAR, Space

ROWS, COLUMNS, YEARS, MEMBERS = 9, 18, 120, 20


def smooth(rng: np.random.Generator, shape: tuple[int, ...], together: float) -> np.ndarray:
    """Noise with variance one, whose part ``together`` is shared by all cells."""
    shared = rng.normal(size=(*shape[:-2], 1, 1))
    return np.sqrt(together) * shared + np.sqrt(1 - together) * rng.normal(size=shape)


def world(together: float, spread: float = 1.0, bias: float = 0.0) -> tuple[xr.Dataset, xr.Dataset]:
    """A forecast whose errors share .8 of their variance, and its observations.

    ``together`` is the share of members' departures.
    """
    rng = np.random.default_rng(3)
    shape = (YEARS * 12, ROWS, COLUMNS)
    obs = monthly(smooth(rng, shape, 0.8))
    truth = seasonal_means(obs, ("DJF", "JJA")).compute()
    departures = smooth(rng, (truth.sizes["time"], MEMBERS, ROWS, COLUMNS), together)
    size = float(truth.tas.std()) * spread
    members = xr.DataArray(departures * size + bias, dims=("time", "realization", "lat", "lon"))
    return truth.drop_vars("tas").assign(tas=members.assign_attrs(units="K")), truth


HOW = {"references": {}, "dim": ("time", "season", "lat", "lon"), "progress": False}


def test_departures_of_neighbours_correlate_as_the_law_says():
    for together in (0.8, 0.2):
        forecast, truth = world(together)
        metrics = ["neighbour_correlation", "error_correlation", "incoherence"]
        scores = verify(forecast, truth, metrics=metrics, intervals=200, **HOW)
        assert float(scores.neighbour_correlation[0]) == pytest.approx(together, abs=0.02)
        assert float(scores.error_correlation[0]) == pytest.approx(0.8, abs=0.05)
        low, high = scores.incoherence_interval.isel(forecast=0).values
        assert (low < 0 < high) if together == 0.8 else low > 0.4
    with pytest.raises(InputError, match="'neighbour_correlation' is of neighbouring cells"):
        verify(forecast, truth, metrics=["neighbour_correlation"], regions=["globe"])


def test_dispersion_of_regional_means_is_one_for_coherent_members_whatever_the_bias():
    """Single cells of both are well spread; the globe's mean tells them apart."""
    regions = {"dim": ("time", "season"), "regions": ["globe", "tropics"], "references": {}}
    coherent, truth = world(0.8, bias=3.0)
    scores = verify(coherent, truth, metrics=["dispersion"], intervals=300, **regions)
    low, high = scores.dispersion_interval.isel(forecast=0).transpose("bound", "region").values
    assert (low < 1).all()
    assert (high > 1).all()
    np.testing.assert_allclose(scores.dispersion[0], 1, atol=0.1)
    incoherent, truth = world(0.1)
    scores = verify(incoherent, truth, metrics=["dispersion"], intervals=300, **regions)
    high = scores.dispersion_interval.isel(forecast=0, bound=1)
    assert (high < 0.6).all()
    cells = verify(incoherent, truth, metrics=["dispersion"], **HOW)
    assert float(cells.dispersion[0]) == pytest.approx(1, abs=0.05)


def test_dispersion_is_that_of_a_plain_computation():
    forecast, truth = world(0.5, spread=0.7, bias=1.0)
    region = {"box": (-90, 90, -180, 180)}
    found = verify(
        forecast, truth, metrics=["dispersion"], regions=region, dim=("time", "season"),
        references={},
    )  # fmt: skip
    area = np.cos(np.deg2rad(truth.lat))
    exact = cell_areas(Grid.of(truth), truth.tas)
    np.testing.assert_allclose(exact / exact.sum(), (area + 0 * exact) / (area + 0 * exact).sum(),
                               rtol=0.01)  # fmt: skip
    members, seen = (a.tas.weighted(exact).mean(("lat", "lon")) for a in (forecast, truth))
    variances, errors = [], []
    for season in ("DJF", "JJA"):
        at = np.flatnonzero(truth.season == season)
        variances.append(members[at].var("realization", ddof=1).mean() * (MEMBERS + 1) / MEMBERS)
        errors.append((members[at].mean("realization") - seen[at]).var(ddof=1))
    expected = np.sqrt(np.mean(variances) / np.mean(errors))
    assert float(found.dispersion.squeeze()) == pytest.approx(expected, rel=1e-6)


def test_whole_field_scores_prefer_coherent_members():
    coherent, truth = world(0.8)
    incoherent, _ = world(0.1)
    scores = verify(
        coherent,
        truth,
        references={"incoherent": incoherent},
        metrics=["energy", "variogram", "energy_skill", "crps"],
        dim=("time", "season", "lat", "lon"),
        intervals=200,
        progress=False,
    )
    # Single cells are alike.
    np.testing.assert_allclose(scores.crps[0], scores.crps[1], rtol=0.02)
    for metric in ("energy", "variogram"):
        gain = scores[f"{metric}_gain_interval"].sel(forecast="incoherent")
        assert (gain < 0).all()  # a lower score is better
        assert scores[metric].attrs["units"] == "K"
    # The energy score's climatology is no anomaly, since no reference makes it.
    assert float(scores.energy_skill[0]) > float(scores.energy_skill[1])
    regions = verify(
        coherent, truth, references={}, metrics=["energy", "variogram"], regions=["globe", "europe"]
    )
    assert regions.energy.dims == ("forecast", "season")
    assert np.isfinite(regions.variogram).all()


@pytest.mark.parametrize("degrees", [30.0, 10.0, 2.5])
def test_pairs_of_cells(degrees):
    grid = global_grid(degrees)
    area = cell_areas(grid)
    space = Space.of_cells(grid, area)
    rows, columns = grid.shape
    lat, lon = np.deg2rad(grid.lat.values), np.deg2rad(grid.lon.values)

    def distance(one: int, other: int) -> float:
        (a, b), (c, d) = (divmod(int(k), columns) for k in (one, other))
        cosine = np.sin(lat[a]) * np.sin(lat[c])
        cosine += np.cos(lat[a]) * np.cos(lat[c]) * np.cos(lon[b] - lon[d])
        return 6371 * float(np.arccos(np.clip(cosine, -1, 1)))

    assert 0 < len(space.near.one) <= MAX_PAIRS
    limit = max(NEAR, 1.5 * 6371 * np.deg2rad(degrees))
    some = range(0, len(space.near.one), max(len(space.near.one) // 50, 1))
    for k in some:
        assert distance(space.near.one[k], space.near.other[k]) <= limit * (1 + 1e-6)
    assert len(space.beside.one) == rows * columns + (rows - 1) * columns  # around the globe
    weight = space.near.weight[0] * distance(space.near.one[0], space.near.other[0])
    flat = area.values.ravel()
    expected = flat[space.near.one[0]] * flat[space.near.other[0]]
    other = space.near.weight[-1] * distance(space.near.one[-1], space.near.other[-1])
    share = flat[space.near.one[-1]] * flat[space.near.other[-1]]
    assert weight / expected == pytest.approx(other / share, rel=1e-4)
