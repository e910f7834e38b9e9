"""Years between known maps: forward from the earlier, backward from the later."""

from collections import Counter

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rollouts import known_maps, roll, select_years

import xai4land
from xai4land.errors import InputError
from xai4land.inference import chain
from xai4land_land.change.settling import average, settle

YEARS = [1990, 1991, 1992, 1993, 1995, 1996]
KNOWN = [1991, 1995]


@pytest.fixture(scope="module")
def world(history):
    return select_years(history, YEARS)


@pytest.fixture(scope="module")
def made(world, rule):
    return roll(world, rule, KNOWN).compute()


def test_known_maps_are_returned_unchanged(world, made):
    assert made.time.dt.year.values.tolist() == YEARS
    for year in map(str, KNOWN):
        one = made.sel(time=year)
        for name in ("land_cover", "land_cover_forward", "land_cover_backward"):
            assert (one[name].values == world.land_cover.sel(time=year).values).all()
        assert (one.confidence == 1).all()


def test_years_outside_follow_from_the_nearer_map(world, rule, made):
    for known, year in ((1991, 1990), (1995, 1996)):
        alone = roll(world, rule, [known], years=[known, year])
        expected = alone.sel(time=str(year))
        for name in ("land_cover", "confidence"):
            assert (made[name].sel(time=str(year)).values == expected[name].values).all()
    assert (made.land_cover_forward.sel(time="1990") == 255).all()
    assert (made.land_cover_backward.sel(time="1996") == 255).all()


def test_both_rollouts_are_those_of_one_known_map(world, rule, made):
    """Until the other known map, where they begin anew."""
    for known, way, years in (
        (1991, "forward", [1991, 1992, 1993]),
        (1995, "backward", [1992, 1993, 1995]),
    ):
        alone = roll(world, rule, [known], years=years).land_cover
        found = made[f"land_cover_{way}"].sel(time=alone.time)
        assert (found == alone.compute()).all()


def test_a_pixel_has_one_of_its_two_classes_and_areas_are_between(made):
    """In each cell of 8 x 8 pixels, up to the rounding to whole pixels."""
    between = made.sel(time=slice("1992", "1993"))
    both = [between.land_cover_forward, between.land_cover_backward]
    agree = (both[0] == both[1]).values
    assert (between.land_cover.values == both[0].values)[agree].mean() > 0.999
    either = (between.land_cover == both[0]) | (between.land_cover == both[1])
    assert float(either.mean()) > 0.999
    cells = dict(zip(made.land_cover.dims[1:], _ratio(made), strict=True))
    share = xr.DataArray([0.25, 0.5], dims="time", coords={"time": between.time})
    for code in range(8):
        areas = [(m == code).coarsen(cells).sum() for m in (between.land_cover, *both)]
        wanted = (1 - share) * areas[1] + share * areas[2]
        assert float(abs(areas[0] - wanted).max()) < 1.5


def _ratio(made):
    rows, columns = made.land_cover.shape[1:]
    return rows // 32, columns // 48


def test_it_is_closer_to_the_truth_than_either_rollout(world, made):
    truth = world.land_cover.sel(time="1993").values
    right = {
        name: (made[name].sel(time="1993").values == truth).mean()
        for name in ("land_cover", "land_cover_forward", "land_cover_backward")
    }
    assert right["land_cover"] > max(right["land_cover_forward"], right["land_cover_backward"])


def test_unchanged_states_between_equal_maps_change_nothing(world, rule):
    still = world.isel(time=[0] * 5).assign_coords(time=world.time[:5])
    same = known_maps(world, [1990]).isel(time=[0, 0]).assign_coords(time=world.time[[0, 3]])
    same.attrs = world.land_cover.attrs
    made = roll(still, rule, KNOWN, prior=same).land_cover.compute()
    assert (made == world.land_cover.isel(time=0).values).all()


def test_the_result_does_not_depend_on_chunks(world, rule, made):
    """Also where chunks cut coarse cells."""
    cut = roll(world, rule, KNOWN, chunks=(57, 101)).land_cover
    assert cut.chunks[1][0] == 57
    assert (cut.compute() == made.land_cover).all()


def test_nothing_is_computed_by_the_call(world, rule, made):
    def refuse(*_args, **_kwargs):
        raise AssertionError("something was computed")

    lazy = world.chunk(time=1)
    with dask.config.set(scheduler=refuse):
        out = roll(lazy, rule, KNOWN)
    assert out.land_cover.chunks[0] == (1,) * len(YEARS)
    assert (out.land_cover.compute() == made.land_cover).all()


def test_probabilities_are_those_of_both_by_time(world, rule, made):
    out = roll(world, rule, KNOWN, probabilities=True)
    likely = out.land_cover_probability.sel(time="1993").squeeze("time").compute()
    np.testing.assert_allclose(likely.sum("land_cover_class"), 1, atol=1e-4)
    of_class = likely.sel(land_cover_class=made.land_cover.sel(time="1993").squeeze("time"))
    sure = made.confidence.sel(time="1993").squeeze("time")
    assert float(abs(of_class - sure).max()) < 0.0051
    assert "land_cover_class" not in made.dims


def test_several_gaps_are_filled_each_from_its_own_maps(world, rule, made):
    three = roll(world, rule, [1990, 1992, 1995])
    two = roll(
        world.sel(time=slice("1992", "1995")), rule, KNOWN, prior=known_maps(world, [1992, 1995])
    )
    found = three.land_cover.sel(time="1993").values
    assert (found == two.land_cover.sel(time="1993").values).all()
    assert not (found == made.land_cover.sel(time="1993").values).all()


def test_known_maps_in_any_order(world, rule, made):
    turned = known_maps(world, KNOWN).isel(time=slice(None, None, -1))
    assert (roll(world, rule, KNOWN, prior=turned).land_cover.compute() == made.land_cover).all()


def test_wrong_requests_are_refused(world, rule):
    with pytest.raises(InputError, match="prior has maps of 1995, which are not among"):
        roll(world, rule, KNOWN, years=slice(1991, 1993))
    with pytest.raises(InputError, match="no states of 1994"):
        roll(world, rule, KNOWN, years=slice(1991, 1995))
    twice = known_maps(world, [1991]).isel(time=[0, 0])
    with pytest.raises(InputError, match="1991 twice"):
        roll(world, rule, KNOWN, prior=twice)


# In the store


def watch(monkeypatch, fails=None):
    """Count the blocks that are computed, by step; fail at one of them."""
    counted, run_block = Counter(), chain.run_block

    def run(plan, cache, time, *rest):
        if counted.total() == fails:
            raise RuntimeError("no luck")
        counted[time] += 1
        return run_block(plan, cache, time, *rest)

    monkeypatch.setattr(chain, "run_block", run)
    return counted


def check(path, lazy):
    """Compare what is stored with what is computed in one go, as it is encoded."""
    with xr.open_zarr(path, mask_and_scale=False) as store:
        for name in ("land_cover", "land_cover_forward", "land_cover_backward"):
            np.testing.assert_array_equal(store[name], lazy[name])
    sure = xai4land.open_store(path).confidence
    np.testing.assert_allclose(sure, lazy.confidence, atol=0.0101)  # a step of it


BLOCKS = 4


def test_a_store_equals_the_lazy_maps(world, rule, made, tmp_path, monkeypatch):
    """A block is computed once outside, and between known maps once more for the average."""
    lazy = roll(world, rule, KNOWN, chunks=(128, 200))
    counted = watch(monkeypatch)
    with dask.config.set(scheduler="synchronous"):
        path = lazy.ai4land.write(tmp_path / "maps.zarr", progress=False)
    check(path, made)
    assert counted == {t: BLOCKS * (3 if YEARS[t] in (1992, 1993) else 1) for t in (0, 2, 3, 5)}


@pytest.mark.parametrize("fails", [5, 17, 27])
def test_a_run_that_failed_goes_on(world, rule, made, tmp_path, monkeypatch, fails):
    path = tmp_path / "maps.zarr"
    with monkeypatch.context() as patch, dask.config.set(scheduler="synchronous"):
        before = watch(patch, fails)
        with pytest.raises(RuntimeError, match="no luck"):
            roll(world, rule, KNOWN, chunks=(128, 200)).ai4land.write(path, progress=False)
    after = watch(monkeypatch)
    with dask.config.set(scheduler="synchronous"):
        roll(world, rule, KNOWN, chunks=(128, 200)).ai4land.write(path, progress=False)
    check(path, made)
    # Blocks of the year at hand are lost, at most, of both rollouts where both are needed.
    assert before.total() + after.total() <= BLOCKS * (2 + 3 * 2) + 2 * BLOCKS


# One map from two


def settle_cells(forward, backward, likely, share):
    """Settle 4 x 4 pixels in four cells; ``likely`` is the probability of the second class."""
    outputs = _Outputs()
    lines = np.array([0, 0, 1, 1])
    chances = np.stack([1 - likely, likely]).astype(np.float32)[None]
    arrays = (np.asarray(m, np.uint8)[None] for m in (forward, backward))
    return settle(*arrays, chances, np.array([share]), lines, lines, outputs=outputs)[0]


class _Class:
    def __init__(self, value):
        self.value = value


class _Outputs:
    classes = (_Class(7), _Class(3))


def test_the_most_probable_pixels_change_first_and_as_many_as_time_has_passed():
    """All change from class 7 to class 3: after a quarter of the time one of four has."""
    likely = np.array([[0.1, 0.2, 0.4, 0.3], [0.4, 0.3, 0.2, 0.1]] * 2)
    for share, most in ((0.25, 1), (0.5, 2), (0.75, 3)):
        map_, sure = settle_cells(np.full((4, 4), 7), np.full((4, 4), 3), likely, share)
        first = map_[:2, :2].ravel()
        ranked = np.argsort(-likely[:2, :2].ravel())
        assert (first[ranked] == [3] * most + [7] * (4 - most)).all()
        expected = np.where(map_ == 3, likely, 1 - likely)
        np.testing.assert_allclose(sure / 100, expected, atol=0.0051)


maps = st.lists(st.sampled_from([3, 7, 255]), min_size=16, max_size=16)


@given(
    forward=maps,
    backward=maps,
    likely=st.lists(st.integers(0, 100), min_size=16, max_size=16),
    share=st.sampled_from([0.2, 0.5, 0.8]),
)
@settings(max_examples=60, deadline=None)
def test_both_maps_count_alike(forward, backward, likely, share):
    """Swapped, with the other share, they give the same; where they agree nothing changes."""
    one, two, chances = (np.reshape(a, (4, 4)) for a in (forward, backward, likely))
    made = settle_cells(one, two, chances / 100, share)
    swapped = settle_cells(two, one, chances / 100, 1 - share)
    assert (made == swapped).all()
    agree = one == two
    alone = settle_cells(one, one, chances / 100, share)[0]
    assert (alone == one).all()
    # Only where both are missing the map is.
    assert ((made[0] == 255) == (agree & (one == 255))).all()


def test_a_missing_probability_is_no_average():
    one = np.array([np.nan, 0.2, np.nan], np.float32).reshape(1, 1, 1, 3)
    two = np.array([0.6, np.nan, np.nan], np.float32).reshape(1, 1, 1, 3)
    made = average(one, two, np.array([0.5], np.float32)).ravel()
    np.testing.assert_array_equal(made, np.array([0.6, 0.2, np.nan], np.float32))
