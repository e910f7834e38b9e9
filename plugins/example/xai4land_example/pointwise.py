"""An architecture that sees one pixel at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Pointwise(nn.Module):
    """A multilayer perceptron on each pixel."""

    def __init__(
        self, channels: int, categories: Sequence[int], outputs: int, hidden: int = 32
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, 4) for n in categories)
        self.layers = nn.Sequential(
            nn.Conv2d(channels + 4 * len(categories), hidden, 1),
            nn.GELU(),
            nn.Conv2d(hidden, outputs, 1),
        )

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the outputs of each pixel, shape (batch, outputs, rows, columns)."""
        embedded = [
            table(codes[:, i]).permute(0, 3, 1, 2) for i, table in enumerate(self.embeddings)
        ]
        return self.layers(torch.cat([x, *embedded], 1))
