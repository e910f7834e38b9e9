"""Boosted trees of decisions, as tensors."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Trees"]


class Trees(nn.Module):
    """Sums of complete binary trees, in rounds of one tree an output.

    Nodes are numbered level by level: those below node n are 2 n + 1, where the feature is at most
    the threshold, and 2 n + 2. Branches that end early repeat their value in all leaves below.

    Parameters
    ----------
    rounds, outputs, depth : int

    Examples
    --------
    >>> trees = Trees(rounds=1, outputs=1, depth=1)
    >>> trees.fill(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.5), torch.tensor([[[-1.0, 2.0]]]))
    >>> trees(torch.tensor([[0.5, 0.6]]))
    tensor([[-1.,  2.]])
    """

    features: torch.Tensor
    thresholds: torch.Tensor
    values: torch.Tensor

    def __init__(self, rounds: int, outputs: int, depth: int) -> None:
        super().__init__()
        if not 1 <= rounds <= 5000 or not 1 <= depth <= 8:
            raise ValueError(
                f"rounds={rounds}, depth={depth}: expected 1 to 5000 rounds of a depth of 1 to 8"
            )
        self.depth = depth
        nodes = (rounds, outputs, 2**depth - 1)
        self.register_buffer("features", torch.zeros(nodes, dtype=torch.int32))
        # Bits of single precision: networks that are moved to a lower one keep their decisions.
        self.register_buffer("thresholds", torch.zeros(nodes, dtype=torch.int32))
        leaves = (rounds, outputs, 2**depth)
        self.register_buffer("values", torch.zeros(leaves, dtype=torch.int32))

    def fill(self, features: torch.Tensor, thresholds: torch.Tensor, values: torch.Tensor) -> None:
        """Set the trees; rounds that are left keep values of zero.

        Parameters
        ----------
        features : Tensor, shape (rounds, outputs, nodes)
        thresholds : Tensor of float32, shape (rounds, outputs, nodes)
        values : Tensor of float32, shape (rounds, outputs, leaves)
        """
        count = len(features)
        self.features[:count] = features.int()
        self.thresholds[:count] = thresholds.contiguous().view(torch.int32)
        self.values[:count] = values.contiguous().view(torch.int32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features, shape (features, pixels), to sums of values, shape (outputs, pixels)."""
        x = x.float().T.contiguous()  # the features of a pixel side by side
        total = torch.zeros(len(x), self.values.shape[1], dtype=torch.float64, device=x.device)
        nodes, leaves = (
            torch.arange(part.shape[1], device=x.device) * part.shape[2]
            for part in (self.features, self.values)
        )
        thresholds, values = (part.view(torch.float32) for part in (self.thresholds, self.values))
        for feature, threshold, value in zip(self.features.long(), thresholds, values, strict=True):
            if not bool(value.any()):
                continue
            node = torch.zeros(total.shape, dtype=torch.long, device=x.device)
            for _ in range(self.depth):
                place = node + nodes
                asked = x.gather(1, feature.take(place))
                node = 2 * node + 1 + (asked > threshold.take(place))
            total += value.take(node - (2**self.depth - 1) + leaves)
        return total.T.float()
