"""Areas of the chosen classes agree with the states, in each coarse cell."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from test_land_mask import coast, shore_card

import xai4land
from conftest import plain_emulator, small_card, small_world
from xai4land import InputError
from xai4land.grids.grid import global_grid
from xai4land_land import evaluate, reconstruct
from xai4land_land.exact_areas import bound_area_error

RATIO = 4
SIDE = {"lat": RATIO, "lon": RATIO}
STATES = ("wood", "field", "town")


def count_pixels(map_, code):
    """Count the pixels of a class in each coarse cell."""
    return (map_ == code).astype(int).coarsen(SIDE).sum().values


def round_plainly(fractions, pixels):
    """Largest remainder, one cell at a time."""
    found = np.zeros(fractions.shape, int)
    for place in np.ndindex(fractions.shape[1:]):
        exact = fractions[:, *place] * pixels
        counts = np.floor(exact + 1e-3).astype(int)
        order = np.argsort(-(exact - counts), kind="stable")
        counts[order[: pixels - counts.sum()]] += 1
        found[:, *place] = counts
    return found


@pytest.fixture(scope="module")
def mixed():
    """A world whose fractions are no multiples of a pixel."""
    world = small_world(times=1)
    rng = np.random.default_rng(3)
    parts = rng.dirichlet([0.5, 0.5, 0.5], (1, 18, 36)).astype(np.float32)
    for k, name in enumerate(STATES):
        world[name] = world[name].copy(data=parts[..., k])
    return world.drop_vars("truth")


def test_counts_are_those_of_the_largest_remainder(mixed, emulator):
    made = reconstruct(mixed, emulator, areas="exact", precision="float32").compute()
    fractions = np.stack([mixed[n].values for n in STATES]).astype(float)
    expected = round_plainly(fractions, RATIO**2)
    for number, one in enumerate(emulator.card.outputs.classes):
        counts = count_pixels(made.land_cover, one.value)
        # Where two remainders are equal in single precision either may have the pixel.
        assert (np.abs(counts - expected[number]) > 0).mean() < 1e-3


def test_a_tolerance_bounds_the_difference_and_costs_less(mixed, emulator):
    how = {"probabilities": True, "precision": "float32"}
    maps = {
        areas: reconstruct(mixed, emulator, areas=areas, **how).compute()
        for areas in ("exact", 0.1, 0.3, "free")
    }
    likely = np.log(maps["free"].land_cover_probability.clip(1e-7))
    classes = emulator.card.outputs.classes

    def find_worst(made):
        shares = [count_pixels(made.land_cover, c.value) / RATIO**2 for c in classes]
        wanted = [mixed[n].values for n in STATES]
        return max(np.abs(s - w).max() for s, w in zip(shares, wanted, strict=True))

    def log_probability(made):
        own = likely.where(likely.land_cover_class == made.land_cover)
        return float(own.sum("land_cover_class").sum())

    for areas in (0.1, 0.3):
        assert find_worst(maps[areas]) <= areas + 1e-3
    assert find_worst(maps["free"]) > 0.3
    sums = [log_probability(maps[areas]) for areas in ("exact", 0.1, 0.3)]
    assert sums == sorted(sums)
    assert sums[0] < sums[1]


def test_the_map_depends_on_neither_chunks_nor_domain(mixed, emulator):
    how = {"areas": "exact", "precision": "float32"}
    whole = reconstruct(mixed, emulator, **how).compute()
    other = reconstruct(mixed, emulator, chunks=(13, 29), batch_size=3, **how).compute()
    np.testing.assert_array_equal(whole.land_cover, other.land_cover)
    # An edge that cuts cells: the rest of these is computed, too.
    part = whole.isel(lat=slice(21, 50), lon=slice(33, 95))
    target = xr.Dataset(coords={"lat": part.lat, "lon": part.lon})
    cut = reconstruct(mixed, emulator, target=target, **how).compute()
    np.testing.assert_array_equal(part.land_cover, cut.land_cover)


def test_confidence_is_of_the_class_that_is_chosen(mixed, emulator):
    how = {"probabilities": True, "precision": "float32"}
    made = reconstruct(mixed, emulator, areas="exact", **how).compute()
    own = made.land_cover_probability.where(made.land_cover_class == made.land_cover)
    np.testing.assert_allclose(made.confidence, own.max("land_cover_class"), atol=0.0051)


def test_cells_without_states_are_missing(mixed, emulator):
    world = mixed.copy()
    world["wood"] = world.wood.where(world.lat < 60)
    made = reconstruct(world, emulator, areas="exact").compute().land_cover
    assert (made.isel(lat=slice(0, 3 * RATIO)) == 255).all()
    whole = reconstruct(mixed, emulator, areas="exact").compute().land_cover
    south = {"lat": slice(40, None)}
    np.testing.assert_array_equal(made.isel(south), whole.isel(south))


def test_a_land_mask_takes_the_area_of_the_sea():
    world, mask = coast()
    for name, value in (("wood", 0.2), ("field", 0.1)):
        world[name] = xr.full_like(world[name], value)
    world = world.drop_vars(["town", "truth"])
    emulator = plain_emulator(shore_card())
    made = reconstruct(world, emulator, land=mask, areas="exact").compute().isel(time=0)
    assert ((made.land_cover != 7).values == mask.values).all()
    # Half of the 16 pixels are land, and two thirds of the land that the states know is wood.
    assert (count_pixels(made.land_cover, 1) == 5).all()
    assert (count_pixels(made.land_cover, 2) == 3).all()


def test_the_areas_of_the_sample_planet_are_exact():
    planet = xai4land.sample("land", years=[2000])
    made = reconstruct(planet, areas="exact")
    scores = evaluate(made, planet.land_cover).compute().sel(source="emulator")
    for name in ("urban", "cropland", "pasture", "forest"):
        assert abs(float(scores.area_bias.sel(land_cover_class=name))) < 0.1
    assert "largest remainder" in made.land_cover.attrs["areas"]


def test_counts_are_near_areas_up_to_60_degrees():
    coarse = global_grid(0.25)
    assert bound_area_error(global_grid(0.05), coarse, 60) < 0.01
    # By hand: the two southern of the four rows next to 60 degrees.
    lat = np.deg2rad(60 - 0.0625 * (np.arange(4) + 0.5))
    share = np.cos(lat)[2:].sum() / np.cos(lat).sum()
    found = bound_area_error(global_grid(0.0625), coarse, 60)
    assert found == pytest.approx(share - 0.5, rel=1e-6)


@pytest.mark.parametrize("areas", ["some", -0.1, 1, 1.5, True, float("nan")])
def test_what_is_no_tolerance_is_refused(mixed, emulator, areas):
    with pytest.raises(InputError, match=r"areas=0\.05"):
        reconstruct(mixed, emulator, areas=areas)


def test_areas_need_states_that_the_map_is_fitted_to(mixed):
    card = small_card()
    free = card.with_(outputs=card.outputs.model_copy(update={"conserve": False}))
    with pytest.raises(InputError, match="not fitted"):
        reconstruct(mixed, plain_emulator(free), areas="exact")


@pytest.mark.parametrize("areas", ["free", "exact"])
def test_states_that_do_not_add_up_are_refused(mixed, emulator, areas):
    half = mixed.assign(wood=mixed.wood * 0.5)
    for data in (half, half.chunk()):
        with pytest.raises(InputError, match=r"add up to 0\.\d+ in a cell, expected 1;"):
            reconstruct(data, emulator, areas=areas).compute()
    none = mixed.assign({name: mixed[name] * 0 for name in STATES})
    with pytest.raises(InputError, match="add up to 0 in a cell"):
        reconstruct(none, emulator, areas=areas).compute()
    # What an unknown state takes is missing from the others.
    lava = mixed.assign(
        {name: mixed[name] * 0.7 for name in STATES} | {"lava": 0.3 + 0 * mixed.wood}
    )
    with pytest.raises(InputError, match=r"add up to 0\.7 in a cell"):
        reconstruct(lava, emulator, areas=areas).compute()
    rounded = mixed.assign({name: mixed[name].round(3) for name in STATES})
    reconstruct(rounded, emulator, areas=areas).compute()


def test_neither_the_order_of_rows_nor_the_first_meridian_matters(mixed, emulator):
    how = {"areas": "exact", "precision": "float32", "baselines": False}
    whole = reconstruct(mixed, emulator, **how).compute().land_cover.sortby("lat")
    turned = mixed.isel(lat=slice(None, None, -1), lat_fine=slice(None, None, -1))
    other = reconstruct(turned, emulator, **how).compute().land_cover.sortby("lat")
    np.testing.assert_array_equal(whole, other)
    moved = mixed.assign_coords(lon=mixed.lon % 360).sortby("lon")
    other = reconstruct(moved, emulator, **how).compute().land_cover
    other = other.assign_coords(lon=(other.lon + 180) % 360 - 180).sortby(["lon", "lat"])
    np.testing.assert_array_equal(whole, other)


def test_a_tolerance_may_be_any_number(mixed, emulator):
    made = reconstruct(mixed, emulator, areas=np.float32(0.1), baselines=False)
    assert "within 0.1 of the cell" in made.land_cover.attrs["areas"]


def test_too_few_pixels_for_the_classes_are_warned_of(mixed):
    card = small_card().with_(resolution={"target": 10.0, "states": 10.0})
    with pytest.warns(UserWarning, match="1 pixels for 3 kinds"):
        reconstruct(mixed, plain_emulator(card), areas="exact", target=10.0)
