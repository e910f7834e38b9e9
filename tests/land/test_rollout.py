"""Maps of years that follow each other, from a known one."""

import itertools

import dask
import numpy as np
import pytest
import xarray as xr
from rollouts import known_maps, roll, select_years

import xai4land
from xai4land.errors import InputError

YEARS = [1990, 1991, 1992, 1995, 1996]


@pytest.fixture(scope="module")
def world(history):
    return select_years(history, YEARS)


def test_the_prior_map_is_returned_unchanged_and_time_ascends(world, rule):
    made = roll(world, rule, 1992).compute()
    assert made.time.dt.year.values.tolist() == YEARS
    assert (made.land_cover.sel(time="1992").values == known_maps(world, 1992).values).all()
    known = made.confidence.sel(time="1992")
    assert (known == 1).all()


@pytest.mark.parametrize(
    ("year", "years", "expected"),
    [
        (1995, [1995, 1992, 1991, 1990], [1990, 1991, 1992, 1995]),
        (1990, slice(1990, 1992), [1990, 1991, 1992]),
        (1992, slice(1992, 1990), [1990, 1991, 1992]),
        (1990, 1992, [1990, 1991, 1992]),
        (1991, [1996, 1991], [1991, 1996]),
    ],
)
def test_years_go_either_way(world, rule, year, years, expected):
    assert roll(world, rule, year, years=years).time.dt.year.values.tolist() == expected


def test_all_years_are_made_if_none_are_given(world, rule):
    made = roll(world.isel(time=slice(3)), rule, 1991, years=None)
    assert made.time.dt.year.values.tolist() == YEARS[:3]


def test_a_rollout_is_one_step_after_another(world, rule):
    """The independent reference: each year made by itself from the map before."""
    made = roll(world, rule, 1990).land_cover.compute()
    prior = known_maps(world, 1990)
    for before, year in itertools.pairwise(YEARS):
        two = world.sel(time=world.time.dt.year.isin([before, year]))
        # The demand of each year is that of the states since the known map.
        one = two.ai4land.reconstruct(rule, prior=prior, precision="float32", demand="level")
        prior = one.land_cover.sel(time=str(year)).assign_attrs(world.land_cover.attrs)
        assert (prior.values == made.sel(time=str(year)).values).mean() == 1


def test_the_areas_of_the_states_are_met(world, rule):
    """Whole pixels of each coarse cell, whatever the number of steps between."""
    made = roll(world, rule, 1990).land_cover.sel(time="1996").squeeze()
    ratio = {name: made.sizes[name] // world.sizes[short] for name, short in _pairs(made)}
    crops = sum(world[n].sel(time="1996").squeeze() for n in _crops(world))
    mine = (made == 2).coarsen(ratio).mean()
    inside = np.isfinite(crops.values)
    assert np.abs(mine.values - crops.values)[inside].max() < 1.01 / 64


def _pairs(made):
    return zip(made.dims, ("lat", "lon"), strict=True)


def _crops(world):
    return [n for n in ("c3ann", "c3per", "c4ann", "c4per", "c3nfx") if n in world]


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_unchanged_states_change_nothing(world, rule, bias):
    """Also where the states differ in level from the map: the change is what counts."""
    still = world.isel(time=[0] * 3).assign_coords(time=world.time[:3])
    names = list(rule.card.outputs.states)
    biased = still.assign({n: (still[n] * (1 - bias)).assign_attrs(still[n].attrs) for n in names})
    made = roll(biased, rule, 1990).compute()
    assert (made.land_cover == made.land_cover.isel(time=0)).all()


def test_the_result_does_not_depend_on_chunks(world, rule):
    one = roll(world, rule, 1991, chunks=-1).land_cover.compute()
    cut = roll(world, rule, 1991, chunks=(56, 100)).land_cover.compute()
    assert (one == cut).all()


def test_nothing_is_computed_by_the_call(world, rule):
    lazy = world.chunk(time=1)
    with dask.config.set(scheduler=_refuse):
        made = roll(lazy, rule, 1990)
    assert made.land_cover.chunks[0] == (1,) * len(YEARS)
    eager = roll(world, rule, 1990)
    assert (made.land_cover.compute() == eager.land_cover.compute()).all()


def _refuse(*_args, **_kwargs):
    raise AssertionError("something was computed")


def test_holes_in_the_prior_map_are_filled(world, rule):
    holes = known_maps(world, 1990).astype("float32").copy()
    holes[:, 20:60, 30:90] = np.nan
    two = world.isel(time=[0, 1])
    made = two.ai4land.reconstruct(rule, prior=holes, precision="float32").land_cover.compute()
    first = made.isel(time=0).values
    assert (first[20:60, 30:90] == 255).all()
    second, truth = made.isel(time=1).values, known_maps(world, 1991).values[0]
    # Where states are missing (over the sea) nothing is known of a hole.
    known = np.kron(np.isfinite(world.primf.isel(time=1).values), np.ones((8, 8))) > 0
    assert (second[known] != 255).all()
    assert (second == truth)[20:60, 30:90][known[20:60, 30:90]].mean() > 0.4
    outside = np.ones(truth.shape, bool)
    outside[10:70, 20:100] = False
    assert (second == truth)[outside].mean() > 0.98


def test_a_finer_prior_map_is_brought_to_the_target_by_majority(world, rule):
    fine = known_maps(world, 1990)
    names = fine.dims[1:]
    doubled = fine.isel({n: np.repeat(np.arange(fine.sizes[n]), 2) for n in names})
    for n in names:
        c = fine[n].values
        step = (c[1] - c[0]) / 4
        doubled = doubled.assign_coords(
            {n: (n, np.stack([c - step, c + step], 1).ravel(), fine[n].attrs)}
        )
    made = roll(world, rule, 1990, prior=doubled, target=fine, years=1991).land_cover.compute()
    same = roll(world, rule, 1990, years=1991).land_cover.compute()
    assert (made.values == same.values).mean() > 0.999


def test_unchanged_states_change_nothing_of_a_finer_map(world, rule):
    """The majority of its pixels has other fractions than they have: that is no change."""
    coarse = known_maps(world, 1990)
    lat, lon = coarse.dims[1:]
    fine = coarse.isel({lat: slice(64), lon: slice(64)}).copy(deep=True)
    rare = np.random.default_rng(0).random(fine.shape) < 0.2
    fine.values[rare] = 4
    target = fine.coarsen({lat: 2, lon: 2}).mean()
    for name in (lat, lon):
        target[name].attrs = fine[name].attrs
    still = world.isel(time=[0, 0], lat=slice(8), lon=slice(8)).assign_coords(time=world.time[:2])
    made = roll(still, rule, 1990, prior=fine, target=target.isel(time=0)).land_cover.compute()
    assert made.shape[1:] == (32, 32)
    assert (made[1] == made[0]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"years": slice(1991, 1992)}, "the prior map is of 1990"),
        ({"years": slice(1990, 1993)}, "no states of 1993"),
        ({"years": [1990, 1991, 1991]}, "asks for 1991 twice"),
        ({"years": slice(1990, 1992), "every": 0}, "every=0"),
        ({"demand": "levels"}, "demand='levels'"),
        ({"land": "elevation"}, "leave land= out"),
        ({"target": 0.03125}, "coarser than target"),
    ],
)
def test_wrong_requests_are_refused(world, rule, options, words):
    with pytest.raises(InputError, match=words):
        roll(world, rule, 1990, **options)


def test_wrong_prior_maps_are_refused(world, rule):
    prior = known_maps(world, 1990)
    cases = {
        "no date": prior.isel(time=0, drop=True),
        "give another legend": prior.assign_attrs(
            flag_meanings=prior.attrs["flag_meanings"].replace("urban", "moon_base")
        ),
        "codes 77": xr.where(prior == 4, 77, prior).astype("uint8").assign_attrs(prior.attrs),
        "no pixel in common": prior.assign_coords({prior.dims[2]: prior[prior.dims[2]] + 90.0}),
    }
    for words, faulty in cases.items():
        with pytest.raises(InputError, match=words):
            roll(world, rule, 1990, prior=faulty).compute()


def test_states_that_jump_are_refused(world, rule):
    other = world.copy()
    for name in rule.card.outputs.states:
        values = np.zeros_like(world[name].values)
        values[:2] = world[name].values[:2]
        other[name] = world[name].copy(data=values)
    other["range"][2:] = 1.0
    with pytest.raises(InputError, match="states jump from 1991 to 1992"):
        roll(other, rule, 1990).compute()


def test_options_of_rollouts_need_a_prior_map(world):
    with pytest.raises(InputError, match="years= without prior="):
        world.ai4land.reconstruct(years=slice(1990, 1991))


def test_a_store_grows_year_by_year_and_equals_the_lazy_maps(world, rule, tmp_path):
    made = roll(world, rule, 1992, chunks=(100, 130))
    path = made.ai4land.write(tmp_path / "maps.zarr", progress=False)
    stored = xai4land.open_store(path)
    assert (stored.land_cover.values == made.land_cover.values).all()
    assert stored.land_cover.chunks[0] == (1,) * len(YEARS)
