"""A land mask for all maps."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from conftest import coordinate, plain_emulator, small_card, small_world
from xai4land import InputError
from xai4land.emulator import Classes, OutputClass
from xai4land_land import reconstruct


def coast():
    """A land mask of the small world at its pixels: every other column, not seen by the states."""
    world = small_world(times=1)
    fine = world.height
    mask = xr.zeros_like(fine, dtype=bool)
    mask[:, ::2] = True
    return world, mask


def shore_card():
    """The class "sea" is the rest of the cell."""
    card = small_card()
    classes = (
        OutputClass(value=7, name="sea"),
        OutputClass(value=1, name="wood", states=("wood",)),
        OutputClass(value=2, name="field", states=("field",)),
    )
    inputs = [spec for spec in card.inputs if spec.name in ("wood", "field", "height")]
    return card.with_(outputs=Classes(classes=classes), inputs=inputs)


@pytest.fixture
def shore():
    """Fractions by hand: 0.6 sea, 0.3 wood, 0.1 field in each cell."""
    world, mask = coast()
    for name, value in (("wood", 0.3), ("field", 0.1)):
        world[name] = xr.full_like(world[name], value)
    return world.drop_vars(["town", "truth"]), mask


def test_no_map_calls_land_sea_or_sea_land(shore):
    world, mask = shore
    emulator = plain_emulator(shore_card())
    names = ["land_cover", "land_cover_bilinear", "land_cover_nearest"]
    without = reconstruct(world, emulator).compute()
    assert all((without[name] == 7).all() for name in names)
    made = reconstruct(world, emulator, land=mask, probabilities=True).compute()
    for name in names:
        values = made[name].isel(time=0)
        assert (values.where(mask.values) == 1).sum() == mask.sum()
        assert (values.values[~mask.values] == 7).all()
    chances = made.land_cover_probability.isel(time=0)
    on_land = chances.sel(land_cover_class=7).values[mask.values]
    np.testing.assert_allclose(on_land, 0, atol=1e-6)
    np.testing.assert_allclose(chances.sum("land_cover_class"), 1, atol=1e-5)
    wood = chances.sel(land_cover_class=1).values[mask.values]
    np.testing.assert_allclose(wood, 0.75, atol=1e-4)


def test_lazy_masks_fractions_percent_and_other_rows_give_the_same(shore):
    world, mask = shore
    emulator = plain_emulator(shore_card())
    expected = reconstruct(world, emulator, land=mask).compute()
    percent = (mask * 100.0).assign_attrs(units="%")
    upward = mask.isel(lat_fine=slice(None, None, -1))
    for other in (mask.chunk(lat_fine=20, lon_fine=31), percent, upward, mask.to_dataset(name="m")):
        made = reconstruct(world, emulator, land=other, chunks=(30, 50)).compute()
        for name in expected.data_vars:
            np.testing.assert_array_equal(made[name], expected[name])


def test_an_input_that_is_missing_at_sea_says_where_land_is(shore):
    world, mask = shore
    world["height"] = world.height.where(mask)
    emulator = plain_emulator(shore_card())
    made = reconstruct(world, emulator, land="height").compute()
    assert ((made.land_cover.isel(time=0) != 7).values == mask.values).all()


def test_where_only_sea_is_known_land_stays_sea(shore):
    world, mask = shore
    for name in ("wood", "field"):
        world[name] = xr.zeros_like(world[name])
    made = reconstruct(world, plain_emulator(shore_card()), land=mask).compute()
    assert (made.land_cover == 7).all()


def test_what_is_no_mask_is_refused(shore, emulator):
    world, mask = shore
    own = plain_emulator(shore_card())
    for land, words in (
        ("none", "no variable; there are"),
        (True, "expected a DataArray or the name"),
        (mask & False, "no land at all"),
        (mask.expand_dims(member=2), "dimension 'member'"),
        (xr.DataArray(np.ones(3), {"lat": coordinate("lat", np.arange(3.0))}), "longitude"),
    ):
        with pytest.raises(InputError, match=words):
            reconstruct(world, own, land=land)
    with pytest.raises(InputError, match="class for what is not land"):
        reconstruct(small_world(), emulator, land=mask)
