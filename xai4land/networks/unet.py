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
            first = nn.Conv2d(current, width, 3, padding=1)
            self.down.append(_Stage(first, norm, dropout))
            current = width
        self.up = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(_Stage(_Join(current, width, width), norm, dropout))
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
            x = stage((x, skips.pop()))
        return self.head(x)  # type: ignore[no-any-return]


class _Stage(nn.Sequential):
    def __init__(self, first: nn.Conv2d, norm: str | None, dropout: float) -> None:
        width = first.out_channels
        super().__init__(
            first,
            _norm(norm, width),
            nn.SiLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(width, width, 3, padding=1),
            _norm(norm, width),
            nn.SiLU(inplace=True),
        )


class _Join(nn.Conv2d):
    """A convolution over a coarse field, repeated to the size of a fine one, and that one.

    Folded, it does not repeat: of the nine taps on a field repeated to twice its size only four
    meet different values. With taps on the same value summed it is a transposed convolution of
    4 x 4, and takes four ninths of the products.
    """

    folded: torch.Tensor | None
    beside: torch.Tensor | None

    def __init__(self, coarse: int, fine: int, after: int) -> None:
        super().__init__(coarse + fine, after, 3, padding=1)
        self.coarse = coarse
        self.register_buffer("folded", None, persistent=False)
        self.register_buffer("beside", None, persistent=False)

    def forward(self, fields: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        coarse, fine = fields
        doubled = (2 * coarse.shape[-2], 2 * coarse.shape[-1]) == fine.shape[-2:]
        if self.folded is None or self.beside is None or not doubled:
            coarse = F.interpolate(coarse, size=fine.shape[-2:])
            return super().forward(torch.cat([coarse, fine], 1))
        made = F.conv_transpose2d(coarse, self.folded, self.bias, stride=2, padding=1)
        return made.add_(F.conv2d(fine, self.beside, padding=1))

    def fold_weights(self) -> None:
        """Sum the taps, of weights that will not change; on processors, where it is faster."""
        if not self.weight.is_cpu:
            return
        taps = self.weight[:, : self.coarse].flip(-2, -1).transpose(0, 1)
        pairs = ((i, 1 - i, j, 1 - j) for i in (0, 1) for j in (0, 1))
        self.folded = torch.stack([F.pad(taps, pair) for pair in pairs]).sum(0)
        self.beside = self.weight[:, self.coarse :].contiguous()


def _norm(norm: str | None, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(8, channels) if norm else nn.Identity()
