"""A U-Net (Ronneberger et al. 2015) with embeddings for categorical inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["UNet"]


class UNet(nn.Module):
    """Convolutions at several scales, with skip connections between them.

    Parameters
    ----------
    channels : int
        Continuous input channels.
    categories : sequence of int
        Number of codes of each categorical input.
    outputs : int
        Output channels.
    widths : sequence of int
        Channels at each scale, from the finest; each scale halves the one before.
    norm : {"group", "batch", None}
        Group normalisation over each window; batch normalisation, which costs nothing at
        inference; or none.
    dropout : float
        Share of channels dropped in training.
    embedding : int
        Numbers that stand for a category.

    Examples
    --------
    >>> net = UNet(channels=3, categories=[5], outputs=2, widths=[8, 16])
    >>> net(torch.zeros(1, 3, 20, 20), torch.zeros(1, 1, 20, 20, dtype=torch.long)).shape
    torch.Size([1, 2, 20, 20])
    """

    def __init__(
        self,
        channels: int,
        categories: Sequence[int],
        outputs: int,
        widths: Sequence[int] = (32, 64, 96, 128),
        norm: Literal["group", "batch"] | None = "group",
        dropout: float = 0.0,
        embedding: int = 4,
    ) -> None:
        super().__init__()
        if not 1 <= len(widths) <= 8 or not all(8 <= w <= 4096 and w % 8 == 0 for w in widths):
            raise ValueError(f"widths={list(widths)}: expected 1 to 8 multiples of 8, up to 4096")
        if norm not in ("group", "batch", None) or not 0 <= dropout < 1 or not 1 <= embedding <= 64:
            raise ValueError(f"norm={norm!r}, dropout={dropout}, embedding={embedding}")
        self.embeddings = nn.ModuleList(nn.Embedding(n, embedding) for n in categories)
        current = channels + embedding * len(categories)
        self.down = nn.ModuleList()
        for width in widths:
            self.down.append(_Stage(current, width, norm, dropout))
            current = width
        self.up = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(_Stage(current + width, width, norm, dropout))
            current = width
        self.head = nn.Conv2d(current, outputs, 1)
        # A fresh network changes nothing: it starts from the interpolated fractions.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, rows, columns) and codes to (batch, outputs, rows, columns)."""
        embedded = [
            table(codes[:, i]).permute(0, 3, 1, 2) for i, table in enumerate(self.embeddings)
        ]
        x = torch.cat([x, *embedded], 1) if embedded else x
        x = x.contiguous(memory_format=torch.channels_last)
        skips: list[torch.Tensor] = []
        for i, stage in enumerate(self.down):
            x = stage(x if i == 0 else F.avg_pool2d(x, 2, ceil_mode=True))
            skips.append(x)
        skips.pop()
        for stage in self.up:
            skip = skips.pop()
            x = stage(torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], 1))
        return self.head(x)  # type: ignore[no-any-return]


class _Stage(nn.Sequential):
    def __init__(self, before: int, after: int, norm: str | None, dropout: float) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1),
            _norm(norm, after),
            nn.SiLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(after, after, 3, padding=1),
            _norm(norm, after),
            nn.SiLU(inplace=True),
        )


def _norm(norm: str | None, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(8, channels) if norm else nn.Identity()
