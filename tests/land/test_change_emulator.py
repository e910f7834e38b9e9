"""The bundled emulator of change, and how its recipe brings regions to one legend."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xai4land
from land_maps import map_of
from xai4land.emulator import Changes, load_emulator
from xai4land.errors import InputError
from xai4land_land import form_hilda_states
from xai4land_land.emulators import BUNDLED

RECIPE = Path(__file__).parents[2] / "recipes" / "change_landcover.py"
LARGEST = 5e6
YEARS = [1990, 1995, 2000]


@pytest.fixture(scope="module")
def recipe():
    pytest.importorskip("scipy")
    spec = importlib.util.spec_from_file_location("change_landcover", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world():
    """A sample of land use, shrunk to pixels of 0.016° in cells of 0.125°."""
    sample = xai4land.sample("land_history", years=YEARS)
    names = ["lat", "lon", "lat_fine", "lon_fine"]
    sample = sample.drop_vars([f"{name}_bnds" for name in names])
    coords = {n: (n, sample[n].values * 0.25, sample[n].attrs) for n in names}
    for _, _, attrs in coords.values():
        attrs.pop("bounds", None)
    return sample.assign_coords(coords)


def test_the_bundled_emulator_is_small_and_says_what_it_was_trained_on():
    path = BUNDLED["change-landcover"]
    assert path.stat().st_size <= LARGEST
    card = load_emulator("change-landcover").card
    assert isinstance(card.outputs, Changes)
    assert card.outputs.steps == (1, 14)
    assert card.outputs.backward
    assert "CC BY 4.0" in card.licence
    assert "ESA CCI" in card.licence
    assert "GPL" not in card.licence


def test_a_prior_map_is_enough_to_choose_it(world):
    """From LUH2's states, either way in time; each coarse cell changes as its states do."""
    prior = world.land_cover.isel(time=[1])
    made = world.ai4land.reconstruct(prior=prior, every=5, precision="float32").compute()
    assert made.time.dt.year.values.tolist() == YEARS
    assert (made.land_cover.isel(time=1).values == prior.values[0]).all()
    for step in (0, 2):
        changed = (made.land_cover.isel(time=step).values != prior.values[0]).mean()
        truth = (world.land_cover.isel(time=step).values != prior.values[0]).mean()
        assert 0.2 * truth < changed < 2 * truth


def test_it_is_not_chosen_without_a_prior_map(world):
    states = form_hilda_states(world.drop_vars("land_cover"))
    own = states[["urban", "crop", "pasture", "forest", "nonforest", "other", "water"]]
    with pytest.raises(InputError) as caught:
        own.ai4land.reconstruct()
    assert "change-landcover" not in str(caught.value)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            {"primf": 0.1, "secdf": 0.2, "primn": 0.1, "secdn": 0.05, "pastr": 0.1, "range": 0.05}
            | {
                "urban": 0.1,
                "c3ann": 0.1,
                "c3per": 0.0,
                "c4ann": 0.05,
                "c4per": 0.0,
                "c3nfx": 0.05,
            },
            [0.1, 0.2, 0.15, 0.3, 0.15, 0.0, 0.0],
        ),
        (
            {"agriculture": 0.2, "forest": 0.3, "grassland": 0.1, "settlement": 0.05}
            | {"shrubland": 0.05, "sparse_vegetation": 0.1, "water": 0.1},
            [0.05, 0.2, 0.0, 0.3, 0.15, 0.1, 0.1],
        ),
    ],
)
def test_states_of_other_sources_add_up_to_those_of_the_emulator(own, expected):
    data = xr.Dataset({name: ("lat", [value, np.nan]) for name, value in own.items()})
    made = form_hilda_states(data.chunk())
    names = ["urban", "crop", "pasture", "forest", "nonforest", "other", "water"]
    assert all(made[name].chunks for name in names)
    found = [made[name].values for name in names]
    np.testing.assert_allclose([v[0] for v in found], expected, atol=1e-9)
    assert all(np.isnan(v[1]) for v in found)
    assert form_hilda_states(made) is made


def test_states_of_no_known_source_are_refused():
    with pytest.raises(InputError, match="states .* are missing"):
        form_hilda_states(xr.Dataset({"urban": ("lat", [1.0])}))


def test_the_crosswalk_of_the_recipe(recipe):
    """Names of ESA CCI's groups are the legend's; those of Plum Island are given."""
    flags = {"flag_values": np.array([1, 3, 7], np.uint8), "_FillValue": np.uint8(0)}
    cover = map_of([[1, 3], [7, 0]]).astype("float32")
    cover = cover.where(cover != 0)
    west = cover.assign_attrs(flags, flag_meanings="agriculture grassland sparse_vegetation")
    assert recipe.translate(west).values.tolist() == [[2, 5], [6, 255]]
    plum = cover.assign_attrs(flags, flag_meanings="built other forest")
    assert recipe.translate(plum, recipe.PLUM_ISLAND).values.tolist() == [[1, 5], [4, 255]]


def test_maps_between_have_their_part_of_the_change(recipe):
    """Every pixel has one of the two classes, and more change follows less."""
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 3, (2, 40, 40))
    maps = map_of(np.stack([before, after]))
    maps = maps.assign_coords(time=np.array(["2000-07-01", "2010-07-01"], "M8[ns]"))
    made = recipe.make_between(maps, [2001, 2005])
    assert made.time.dt.year.values.tolist() == [2000, 2001, 2005, 2010]
    moved = made.values != before
    shares = moved.sum((1, 2)) / (before != after).sum()
    np.testing.assert_allclose(shares, [0, 0.1, 0.5, 1], atol=0.01)
    assert (moved[1] <= moved[2]).all()
    assert ((made.values == before) | (made.values == after)).all()


def test_states_are_the_block_means_of_the_land(recipe):
    maps = map_of([[[1, 4], [4, 255]], [[1, 1], [4, 255]]], step=0.5, lat=-0.25, lon=0.25)
    states = recipe.block_means(maps, recipe.coarse_grid(maps, 1.0))
    assert states.urban.values.ravel().tolist() == [0.25, 0.5]
    assert states.forest.values.ravel().tolist() == [0.5, 0.25]
