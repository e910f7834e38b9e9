"""Training: better than where it starts, the same from the same seed, blind to held-out truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import small_world
from land_training import WOOD, train
from xai4land import InputError
from xai4land.training.maps import MapObjective
from xai4land.training.split import block_numbers, split_blocks
from xai4land_land import reconstruct


def test_it_learns_what_the_height_tells():
    """The truth follows the height within each cell: the fractions alone cannot know that."""
    world = small_world(times=1)
    emulator = train(world, epochs=6, steps=25, learning_rate=1e-2)
    scores = reconstruct(world, emulator).ai4land.evaluate(world.truth, legend=WOOD).compute()
    accuracy = scores.accuracy
    assert accuracy.sel(source="emulator") > accuracy.sel(source="bilinear") + 0.1
    losses = emulator.card.training["validation_loss"]
    assert min(losses) < losses[0]
    assert emulator.card.metrics["validation_loss"] == min(losses)


def test_same_seed_same_emulator_other_seed_another():
    world = small_world(times=1)
    one, two, other = (train(world, seed=seed).sha256 for seed in (3, 3, 4))
    assert one == two
    assert one != other


def test_held_out_truth_is_never_seen():
    """Scrambling the truth outside the training blocks changes no statistic and no gradient."""
    world = small_world(times=1)
    emulator = train(world, epochs=1, steps=3)
    degrees = float(emulator.card.training["blocks"].split()[0])
    lat, lon = world.lat_fine.values, world.lon_fine.values
    blocks = block_numbers(lat, lon, degrees)
    known = np.ones(blocks.shape, bool)
    training, _ = split_blocks(
        lambda side: np.unique(block_numbers(lat, lon, side)[known]), 2.5, 300.0, 0.15, 0
    )
    assert training.degrees == degrees
    scrambled = world.copy(deep=True)
    inside = np.isin(blocks, training.held)
    scrambled["truth"].values[:, inside] = 2 - scrambled.truth.values[:, inside]
    scrambled["height"].values[inside] = 1e4
    blind = train(scrambled, epochs=1, steps=3)
    for spec, same in zip(emulator.card.inputs, blind.card.inputs, strict=True):
        assert spec == same
    assert [c.share for c in emulator.card.outputs.classes] == [
        c.share for c in blind.card.outputs.classes
    ]


def test_missing_truth_keeps_a_region_out():
    world = small_world(times=1)
    holed = world.copy(deep=True)
    east = (world.lon_fine > 0).values
    holed["truth"] = holed.truth.where(world.lon_fine <= 0)
    other = holed.copy(deep=True)
    other["height"].values[:, east & (world.lon_fine > 90).values] = -5e3
    one, two = train(holed), train(other)
    assert one.card.inputs == two.card.inputs


def test_the_card_says_how_it_was_made():
    emulator = train(small_world(times=1), name="mine", licence="CC0", command="make mine")
    card = emulator.card
    assert (card.name, card.licence, card.training["command"]) == ("mine", "CC0", "make mine")
    assert card.training["seed"] == 0
    assert card.training["epochs"] == 2
    zone = next(spec for spec in card.inputs if spec.name == "zone")
    assert zone.role == "categorical"
    assert zone.codes == (1, 2, 3)


def test_an_interrupt_returns_the_best_so_far(monkeypatch):
    loss, seen = MapObjective.loss, []

    def interrupted(self, network, batch):
        seen.append(1)
        if len(seen) > 4:
            raise KeyboardInterrupt
        return loss(self, network, batch)

    monkeypatch.setattr(MapObjective, "loss", interrupted)
    with pytest.warns(UserWarning, match="interrupted after 1 of 2 epochs"):
        emulator = train(small_world(times=1))
    assert len(emulator.card.training["validation_loss"]) == 1


def test_an_interrupt_before_the_first_look_stops(monkeypatch):
    def interrupted(self, network, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(MapObjective, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(small_world(times=1))


@pytest.mark.parametrize(
    ("change", "how", "message"),
    [
        (lambda w: w.assign(truth=w.truth.assign_attrs(flag_meanings="a b c")), {}, "no class"),
        (lambda w: w.assign(truth=(w.truth.dims, w.truth.values)), {}, "flag_values"),
        (lambda w: w.drop_vars("town"), {}, "states town are missing"),
        (lambda w: w, {"legend": "nonsense"}, "expected one of 'hilda'"),
        (lambda w: w, {"epochs": 0}, "epochs=0"),
        (lambda w: w, {"validation": 1.5}, "validation=1.5"),
        (lambda w: w, {"inputs": ["height", "depth"]}, "no variable 'depth'"),
        (lambda w: w.assign(truth=w.truth.where(w.lat_fine > 90)), {}, "fewer than two blocks"),
    ],
)
def test_bad_input_gives_one_clear_error(change, how, message):
    with pytest.raises(InputError, match=message):
        train(change(small_world(times=1)), **how)


def test_several_sources_merge_into_one_legend_and_others_are_refused():
    """One source has other codes, in another order and on another grid."""
    world, other = small_world(times=1), small_world(seed=1, times=1, ratio=5)
    recoded = other.truth.copy(data=np.array([33, 11, 22], np.uint8)[other.truth.values])
    recoded.attrs = {
        "flag_values": np.array([11, 22, 33], "u1"),
        "flag_meanings": "field town wood",
    }
    both = train(world, also=[(other.drop_vars("truth"), recoded)])
    same = train(world, also=[(other.drop_vars("truth"), other.truth)])
    assert all(torch.equal(value, same.weights[name]) for name, value in both.weights.items())
    assert both.card.resolution.target == 2.0
    alien = recoded.assign_attrs(flag_meanings="field town ice")
    with pytest.raises(InputError, match=r"also\[0\].*ice"):
        train(world, also=[(other, alien)])


def test_without_conservation_there_is_no_fitting():
    world = small_world(times=1)
    emulator = train(world, conserve=False)
    made = reconstruct(world, emulator, probabilities=True)
    assert not emulator.card.outputs.conserve
    np.testing.assert_allclose(made.land_cover_probability.sum("land_cover_class"), 1, atol=1e-5)
