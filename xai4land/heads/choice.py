"""Factors on class probabilities with which the most likely class is chosen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["choice_weights"]

FACTORS = (0.7, 0.85, 1.2, 1.4)
ROUNDS = 3


def choice_weights(
    probability: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
    area: npt.NDArray[np.float32],
) -> list[float]:
    """Weights that make accuracy and mean IoU together largest on held-out pixels.

    The most likely class alone is right most often, but drops rare classes wherever they are
    not a majority. Found by coordinate search; one weight is 1.

    Parameters
    ----------
    probability : ndarray, shape (classes, pixels)
    truth : ndarray of int, shape (pixels,)
    area : ndarray, shape (pixels,)

    Examples
    --------
    >>> rare = np.array([[0.55, 0.55, 0.9, 0.9], [0.45, 0.45, 0.1, 0.1]], np.float32)
    >>> choice_weights(rare, np.array([1, 1, 0, 0]), np.ones(4, np.float32))
    [0.7, 1.0]
    """
    classes = probability.shape[0]
    weights = np.ones(classes, np.float32)
    # Pixels that are certain are the same under any weights in reach: count them once.
    certain = probability.max(0) > 0.999
    fixed = _confusion(probability[:, certain].argmax(0), truth[certain], area[certain], classes)
    open_, truth, area = probability[:, ~certain], truth[~certain], area[~certain]

    def score(trial: npt.NDArray[np.float32]) -> float:
        chosen = (open_ * trial[:, None]).argmax(0)
        confusion = fixed + _confusion(chosen, truth, area, classes)
        right, union = np.diag(confusion), confusion.sum(0) + confusion.sum(1)
        there = confusion.sum(1) > 0
        iou = right[there] / (union - right)[there]
        return float(right.sum() / max(confusion.sum(), 1e-30) + iou.mean())

    best = score(weights)
    for _ in range(ROUNDS):
        for k in range(classes):
            for factor in FACTORS:
                trial = weights.copy()
                trial[k] *= factor
                if (found := score(trial)) > best + 1e-6:
                    best, weights = found, trial
    return [round(float(w), 4) for w in weights]


def _confusion(
    chosen: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    area: npt.NDArray[np.float32],
    classes: int,
) -> npt.NDArray[np.float64]:
    counts = np.bincount(truth * classes + chosen, weights=area, minlength=classes**2)
    return counts.astype(np.float64).reshape(classes, classes)
