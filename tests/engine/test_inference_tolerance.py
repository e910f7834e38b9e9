"""What the checks of inputs tolerate does not reach the network."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import small_world
from land_training import QUICK
from xai4land_land import fit, reconstruct


def nudge(world, amount):
    """Fractions just outside of 0 to 1, as differences and remapping leave them."""
    world = world.copy(deep=True)
    for name in ("wood", "field"):
        values = world[name].astype("f8")
        values = values.where(values > 0, -amount).where(values < 1, 1 + amount)
        world[name] = values.assign_attrs(world[name].attrs)
    return world


@pytest.mark.parametrize("amount", [1e-12, 1e-7, 5e-4])
@pytest.mark.parametrize("lazy", [False, True])
def test_fractions_that_are_just_negative_give_the_same_map(world, emulator, amount, lazy):
    world["wood"][:, 3, 3], world["field"][:, 3, 3], world["town"][:, 3, 3] = 0.0, 1.0, 0.0
    data = nudge(world, amount)
    expected = reconstruct(world, emulator).compute()
    made = reconstruct(data.chunk() if lazy else data, emulator).compute()
    for name in expected.data_vars:
        np.testing.assert_array_equal(made[name], expected[name])


def test_training_clips_alike():
    world = small_world(times=1)
    quick = {**QUICK, "epochs": 1, "steps": 2}
    emulators = [fit(w.drop_vars("truth"), w.truth, **quick) for w in (world, nudge(world, 1e-9))]
    assert emulators[0].sha256 == emulators[1].sha256
