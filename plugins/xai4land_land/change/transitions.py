"""Boosted trees that say which class each pixel of a prior map changes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from xai4land.networks.trees import Trees
from xai4land_land.change.neighbourhood import gaussian_shares, one_hot

__all__ = ["BoostedTransitions"]


class BoostedTransitions(nn.Module):
    """Trees over features of a pixel and its neighbourhood, in place of a network.

    A pixel's features are its channels and codes, its class in the prior map, and the shares of
    all classes around it at several radii: near ones count neighbours, wide ones take the place of
    distances. As a network does, the trees correct the logarithm of the first guess.

    Parameters
    ----------
    channels, categories, outputs
        As for any architecture.
    rounds, depth : int
        At most so many rounds of one tree a class, and so many decisions in a row.
    radii : sequence of float
        Standard deviations of Gaussian kernels, in pixels.
    order : sequence of int, optional
        Number of the class at each position among the sorted codes.
    prior : int
        Which of the coded inputs is the prior map.

    Examples
    --------
    >>> trees = BoostedTransitions(4, [3], 2, rounds=1, depth=1, radii=(1.0,))
    >>> codes = torch.ones(1, 1, 8, 8, dtype=torch.long)
    >>> trees.make_features(torch.zeros(1, 4, 8, 8), codes).shape
    torch.Size([1, 8, 8, 8])
    >>> trees(torch.zeros(1, 4, 8, 8), codes).abs().max()
    tensor(0.)
    """

    def __init__(
        self,
        channels: int,
        categories: Sequence[int],
        outputs: int,
        rounds: int = 150,
        depth: int = 5,
        radii: Sequence[float] = (1.0, 2.0, 4.0, 8.0),
        order: Sequence[int] = (),
        prior: int = 0,
    ) -> None:
        super().__init__()
        if not all(0 < radius <= 32 for radius in radii) or not 0 <= prior < len(categories):
            raise ValueError(
                f"radii={list(radii)}, prior={prior} of {len(categories)} coded inputs"
            )
        self.radii, self.prior = radii, prior
        self.order = list(order) or list(range(outputs))
        self.trees = Trees(rounds, outputs, depth)

    def make_features(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the features of each pixel, shape (batch, features, rows, columns)."""
        classes = one_hot(codes[:, self.prior], self.order)
        others = [k for k in range(codes.shape[1]) if k != self.prior]
        around = [gaussian_shares(classes, radius) for radius in self.radii]
        return torch.cat([x.float(), codes[:, others].float(), classes, *around], 1)

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map the inputs to corrections of the first guess, (batch, outputs, rows, columns)."""
        with torch.autocast(x.device.type, enabled=False):  # thresholds are as exact as features
            features = self.make_features(x, codes)
        made = [self.trees(window.flatten(1)) for window in features]
        return torch.stack(made).reshape(len(x), -1, *x.shape[-2:])

    @staticmethod
    def train_windows(*args: Any, **options: Any) -> Any:
        """Train an emulator; see :func:`xai4land_land.change.boosting.train_trees`."""
        from xai4land_land.change.boosting import train_trees

        return train_trees(*args, **options)
