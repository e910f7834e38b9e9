"""Boosted trees of transitions: LightGBM's own probabilities, and a map from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import xai4land
from xai4land.emulator import Emulator
from xai4land.errors import EmulatorFileError, InputError
from xai4land.networks.trees import Trees

lightgbm = pytest.importorskip("lightgbm", reason="needs the extra boosting")


@pytest.fixture(scope="module")
def world():
    return xai4land.sample("land_history", years=[1990, 1994, 1998]).isel(
        lat=slice(0, 16), lon=slice(0, 24), lat_fine=slice(0, 128), lon_fine=slice(0, 192)
    )


@pytest.fixture(scope="module")
def emulator(world):
    return train(world)


def train(world, **how):
    cover = world.land_cover
    options = {"rounds": 20, "depth": 4}
    return world.drop_vars("land_cover").ai4land.fit(
        cover,
        prior=cover,
        pairs=[(1990, 1994)],
        architecture="boosted-transitions",
        window=64,
        progress=False,
        masked_at_end=0.0,
        **{"parameters": options, **how},
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_probabilities_are_those_of_lightgbm(classes):
    """The independent reference: the library's own evaluation of its own model."""
    from xai4land_land.change.boosting import read_trees

    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 7)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3])  # ties at thresholds
    truth = (np.abs(x[:, 0] + x[:, 3] * x[:, 1]) * 2).astype(int) % classes
    options = {"objective": "multiclass", "num_class": classes, "max_depth": 5, "num_leaves": 20}
    options |= {"verbosity": -1, "num_threads": 1, "use_missing": False, "seed": 0}
    booster = lightgbm.train(options, lightgbm.Dataset(x, truth), num_boost_round=30)
    trees = Trees(rounds=40, outputs=classes, depth=5)  # ten more than there are
    trees.fill(*read_trees(booster, 5))
    x = rng.normal(size=(4000, 7)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3])
    made = torch.softmax(trees(torch.from_numpy(x).T), 0).T.numpy()
    np.testing.assert_allclose(made, booster.predict(x), atol=1e-6)


def test_a_value_at_a_threshold_goes_left_whatever_the_precision_of_the_threshold():
    from xai4land_land.change.boosting import read_trees

    x = np.array([[0.1], [0.3]], np.float32).repeat(200, 0)
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 2, "verbosity": -1, "num_threads": 1},
        lightgbm.Dataset(x, (x[:, 0] > 0.2).astype(int)),
        num_boost_round=3,
    )
    features, thresholds, values = read_trees(booster, 2)
    trees = Trees(3, 2, 2)
    trees.fill(features, thresholds, values)
    edge = float(thresholds[0, 0, 0])
    near = np.float32([edge, np.nextafter(np.float32(edge), np.float32(1))])
    made = torch.softmax(trees(torch.from_numpy(near)[None]), 0).T.numpy()
    np.testing.assert_allclose(made, booster.predict(near[:, None]), atol=1e-6)
    assert made[0, 0] > made[1, 0]


def test_a_lower_precision_keeps_the_decisions():
    trees = Trees(1, 1, 1)
    edge = 0.5001
    trees.fill(torch.zeros(1, 1, 1), torch.full((1, 1, 1), edge), torch.tensor([[[1.0, 2.0]]]))
    x = torch.tensor([[0.5000, 0.5002]])
    assert trees.to(torch.bfloat16)(x).tolist() == [[1.0, 2.0]]


def test_transitions_are_learned(world, emulator):
    """From a pair of years, for the years that follow."""
    cover = world.land_cover
    before, after = (cover.sel(time=str(year)) for year in (1994, 1998))
    rolled = {"prior": before, "years": [1994, 1998], "precision": "float32"}
    made = world.ai4land.reconstruct(emulator, **rolled).compute()
    random = xai4land_reference("random", world)
    other = world.ai4land.reconstruct(random, **rolled).compute()
    made["land_cover_random"] = other.land_cover
    merit = made.ai4land.evaluate(after, prior=before).figure_of_merit.squeeze()
    assert float(merit.sel(source="emulator")) > 1.2 * float(merit.sel(source="random"))


def xai4land_reference(rule, world):
    from xai4land_land.change.references import change_reference

    return change_reference(rule, world, world.land_cover)


def test_its_file_holds_plain_tensors_and_gives_the_same_map(world, emulator, tmp_path):
    emulator.save(tmp_path / "trees.safetensors")
    again = Emulator.load(tmp_path / "trees.safetensors")
    rolled = {"prior": world.land_cover.sel(time="1994"), "years": [1994, 1998]}
    one, two = (
        world.ai4land.reconstruct(e, precision="float32", **rolled).land_cover.compute()
        for e in (emulator, again)
    )
    assert (one == two).all()
    assert again.card.architecture.name == "boosted-transitions"


def test_the_same_seed_gives_the_same_trees(world, emulator):
    assert train(world).sha256 == emulator.sha256


def test_without_a_prior_it_is_refused(world):
    with pytest.raises(InputError, match="follows from a prior map; give prior="):
        world.drop_vars("land_cover").ai4land.fit(
            world.land_cover, architecture="boosted-transitions", window=64, progress=False
        )


def test_odd_parameters_are_refused(world):
    with pytest.raises(EmulatorFileError, match="rounds=0"):
        train(world, parameters={"rounds": 0})
