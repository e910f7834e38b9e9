"""Training of boosted trees on the windows that networks learn from, by LightGBM.

Nothing of LightGBM is stored or needed to apply them: its trees become plain tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch

from xai4land.device import choose_device
from xai4land.emulator.build import build
from xai4land.emulator.card import MapCard
from xai4land.emulator.outputs import MISSING_CLASS, Changes
from xai4land.errors import InputError
from xai4land.training.loop import seeded
from xai4land.training.maps import MapObjective, check_splits
from xai4land.training.regions import Regions
from xai4land.training.samples import Corner
from xai4land.training.settings import MapSettings

if TYPE_CHECKING:
    from lightgbm import Booster

    from xai4land.emulator.emulator import Emulator
    from xai4land_land.change.transitions import BoostedTransitions

__all__ = ["read_trees", "train_trees"]

MOST_WINDOWS = 512
MOST_PIXELS = 300_000
"""Drawn from the training windows; a fifth as many from those of the validation."""
LEARNING_RATE = 0.1
SMALLEST_LEAF = 50
"""Pixels of a leaf."""
PATIENCE = 10
"""Rounds without gain on the validation windows after which the training ends."""
SMALLEST_HESSIAN = 1.0
"""Of a leaf, about the changes that the first guess expects: fewer say nothing of a rare class."""
SURE = 1 - 1e-6
"""First guess of a pixel whose coarse cell asks for no change: there is nothing to learn."""

Node = dict[str, Any]


def train_trees(
    kind: type[Emulator],
    card: MapCard,
    training: Regions,
    validation: Regions,
    settings: MapSettings,
    *,
    mirrored: bool = True,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Train trees of transitions; see :func:`xai4land.training.maps.train`.

    They minimise the cross-entropy of the map, beginning at the first guess (Friedman 2001). No
    class is weighted, so probabilities stay calibrated. Of the settings, ``seed`` and
    ``masked_at_end`` matter. Training stops where the validation windows gain no more.

    Raises
    ------
    InputError
        If the outputs do not follow from a prior map, a split has nothing to learn from, or
        LightGBM is not installed.
    """
    outputs = card.outputs
    if not isinstance(outputs, Changes):
        raise InputError(
            "boosted-transitions learns how a map follows from a prior map; give prior=, or "
            "another architecture"
        )
    lightgbm = _import_lightgbm()
    check_splits(training, validation)
    order = np.argsort([c.value for c in outputs.classes]).tolist()
    place = [spec.role for spec in card.coded].index("prior")
    parameters = {**card.architecture.parameters, "order": order, "prior": place}
    card = card.with_(architecture={**card.architecture.model_dump(), "parameters": parameters})
    device = choose_device(device)
    rng = np.random.default_rng(settings.seed)
    with seeded(settings.seed, device):
        network = cast("BoostedTransitions", build(card))
        learned, held = (
            lightgbm.Dataset(**_draw_pixels(network, part, number, settings.masked_at_end, rng))
            for part, number in ((training, MOST_PIXELS), (validation, MOST_PIXELS // 5))
        )
        booster = lightgbm.train(
            {
                "objective": "multiclass",
                "num_class": len(outputs.classes),
                "learning_rate": LEARNING_RATE,
                "max_depth": network.trees.depth,
                "num_leaves": 2**network.trees.depth,
                "min_data_in_leaf": SMALLEST_LEAF,
                "min_sum_hessian_in_leaf": SMALLEST_HESSIAN,
                "use_missing": False,
                "seed": settings.seed,
                "deterministic": True,
                "force_row_wise": True,
                "num_threads": torch.get_num_threads(),
                "verbosity": -1,
            },
            learned,
            num_boost_round=len(network.trees.features),
            valid_sets=[held],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        network.trees.fill(*read_trees(booster, network.trees.depth))
        network = network.eval().to(device)
        objective = MapObjective(training, validation, settings, device, mirrored)
        loss = objective.validate(network)
        tuned = objective.tune(network)
    record = {**settings.record(), "rounds": booster.best_iteration, "validation_loss": [loss]}
    card = card.with_(
        outputs=tuned.model_dump(),
        training={**card.training, **record},
        metrics={**card.metrics, "validation_loss": round(loss, 5)},
    )
    return kind(card, {name: part.cpu() for name, part in network.state_dict().items()})


def _import_lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise InputError(
            "boosted-transitions is trained by LightGBM, which is not installed: "
            "pip install 'xai4land[boosting]'"
        ) from error
    return lightgbm


def _draw_pixels(
    network: BoostedTransitions,
    windows: Regions,
    most: int,
    masked: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return features, classes, weights and first guesses of pixels, as arguments of a dataset."""
    corners: Sequence[Corner] = windows.cover(MOST_WINDOWS, rng)
    features, truth, weights, start = [], [], [], []
    for corner in corners:
        seed = int(rng.integers(2**32))
        sample = windows.at(corner._replace(mask=seed if rng.random() < masked else None))
        x, codes, guess = sample.features
        after, before = (layer.ravel() for layer in sample.window.truth)
        open_ = (after != MISSING_CLASS) & (guess.amax(0).ravel() < SURE)
        chosen, weight = _draw_strata(open_, after != before, most // len(corners), rng)
        made = network.make_features(x[None], codes[None])[0].flatten(1)
        features.append(made[:, chosen].T.numpy())
        truth.append(after[chosen].numpy())
        weights.append(weight)
        start.append(windows.head.start(guess).flatten(1)[:, chosen].T.numpy())
    return {
        "data": np.concatenate(features),
        "label": np.concatenate(truth),
        "weight": np.concatenate(weights),
        "init_score": np.concatenate(start).astype(np.float64),
    }


def _draw_strata(
    open_: torch.Tensor, changed: torch.Tensor, count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Draw pixels that change and pixels that do not, and how many each stands for.

    Half of them are of the rarer kind, if there are so many.
    """
    kinds = sorted(
        ((open_ & kind).nonzero()[:, 0].numpy() for kind in (changed, ~changed)), key=len
    )
    first = rng.permutation(kinds[0])[: max(count // 2, 1)]
    second = rng.permutation(kinds[1])[: max(count - first.size, 1)]
    stands = [
        np.full(part.size, every.size / max(part.size, 1), np.float32)
        for part, every in zip((first, second), kinds, strict=True)
    ]
    return np.concatenate([first, second]), np.concatenate(stands)


def read_trees(booster: Booster, depth: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the trees of a booster as complete ones: features, thresholds and values.

    Thresholds are rounded down to single precision, which decides alike on features of single
    precision.

    Parameters
    ----------
    booster : lightgbm.Booster
        Without missing values or categories; the rounds up to its best are read.
    depth : int
        That its trees do not exceed.
    """
    model = booster.dump_model(num_iteration=booster.best_iteration)
    trees, outputs = model["tree_info"], model["num_tree_per_iteration"]
    features = np.zeros((len(trees), 2**depth - 1), np.int32)
    thresholds = np.zeros((len(trees), 2**depth - 1), np.float64)
    values = np.zeros((len(trees), 2**depth), np.float32)

    def write(tree: int, node: int, level: int, branch: Node) -> None:
        if "split_feature" in branch:
            features[tree, node] = branch["split_feature"]
            thresholds[tree, node] = branch["threshold"]
            write(tree, 2 * node + 1, level + 1, branch["left_child"])
            write(tree, 2 * node + 2, level + 1, branch["right_child"])
        else:
            below = 2 ** (depth - level)
            first = (node + 1) * below - 2**depth
            values[tree, first : first + below] = branch["leaf_value"]

    for number, tree in enumerate(trees):
        write(number, 0, 0, tree["tree_structure"])
    shape = (-1, outputs)
    return (
        torch.from_numpy(features).unflatten(0, shape),
        torch.from_numpy(_round_down(thresholds)).unflatten(0, shape),
        torch.from_numpy(values).unflatten(0, shape),
    )


def _round_down(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    near = values.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > values, below, near).astype(np.float32)
