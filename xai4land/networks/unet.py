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
        Probability of dropping a channel in training.
    embedding : int
        Size of the embedding of a category.
    direct : bool
        Whether the last convolution also sees the inputs themselves, through a 1 x 1 convolution:
        normalisation takes from a window's features what is alike in all of it.

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
        direct: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= len(widths) <= 8 or not all(8 <= w <= 4096 and w % 8 == 0 for w in widths):
            raise ValueError(f"widths={list(widths)}: expected 1 to 8 multiples of 8, up to 4096")
        if norm not in ("group", "batch", None) or not 0 <= dropout < 1 or not 1 <= embedding <= 64:
            raise ValueError(f"norm={norm!r}, dropout={dropout}, embedding={embedding}")
        self.embeddings = nn.ModuleList(nn.Embedding(n, embedding) for n in categories)
        current = channels + embedding * len(categories)
        self.direct = nn.Conv2d(current, widths[0], 1) if direct else None
        self.down = nn.ModuleList()
        for width in widths:
            first = nn.Conv2d(current, width, 3, padding=1)
            self.down.append(_Stage(first, norm, dropout))
            current = width
        self.up = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(_Stage(_UpsampleConv(current, width, width), norm, dropout))
            current = width
        self.head = nn.Conv2d(current, outputs, 1)
        # A new network starts from the first guess and changes nothing.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, rows, columns) and codes to (batch, outputs, rows, columns)."""
        embedded = [
            table(codes[:, i]).permute(0, 3, 1, 2) for i, table in enumerate(self.embeddings)
        ]
        x = torch.cat([x, *embedded], 1) if embedded else x
        inputs = x = x.contiguous(memory_format=torch.channels_last)
        skips: list[torch.Tensor] = []
        for i, stage in enumerate(self.down):
            x = stage(x if i == 0 else F.avg_pool2d(x, 2, ceil_mode=True))
            skips.append(x)
        skips.pop()
        for stage in self.up:
            x = stage((x, skips.pop()))
        if self.direct is not None:
            x = x + self.direct(inputs)
        return self.head(x)  # type: ignore[no-any-return]


class _Stage(nn.Sequential):
    """Two convolutions, each with normalisation and activation."""

    def __init__(self, first: nn.Conv2d, norm: str | None, dropout: float) -> None:
        width = first.out_channels
        super().__init__(
            first,
            _norm_layer(norm, width),
            nn.SiLU(inplace=True),
            nn.Dropout2d(dropout),
            nn.Conv2d(width, width, 3, padding=1),
            _norm_layer(norm, width),
            nn.SiLU(inplace=True),
        )


class _UpsampleConv(nn.Conv2d):
    """A convolution over a coarse field, upsampled to a fine one, and that fine one.

    Upsampling repeats each value 2 x 2 times, so of the nine taps of a kernel only four meet
    different values. :meth:`fold_weights` sums the taps on the same value: this gives a transposed
    convolution of 4 x 4 that needs four ninths of the products.
    """

    coarse_weight: torch.Tensor | None
    fine_weight: torch.Tensor | None

    def __init__(self, coarse: int, fine: int, after: int) -> None:
        super().__init__(coarse + fine, after, 3, padding=1)
        self.coarse = coarse
        self.register_buffer("coarse_weight", None, persistent=False)
        self.register_buffer("fine_weight", None, persistent=False)

    def forward(self, fields: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        """Map a coarse and a fine field to features on the fine one."""
        coarse, fine = fields
        doubled = (2 * coarse.shape[-2], 2 * coarse.shape[-1]) == fine.shape[-2:]
        if self.coarse_weight is None or self.fine_weight is None or not doubled:
            coarse = F.interpolate(coarse, size=fine.shape[-2:])
            return super().forward(torch.cat([coarse, fine], 1))
        result = F.conv_transpose2d(coarse, self.coarse_weight, self.bias, stride=2, padding=1)
        return result.add_(F.conv2d(fine, self.fine_weight, padding=1))

    def fold_weights(self) -> None:
        """Sum the taps, for inference on CPUs, where it is faster."""
        if not self.weight.is_cpu:
            return
        taps = self.weight[:, : self.coarse].flip(-2, -1).transpose(0, 1)
        pairs = ((i, 1 - i, j, 1 - j) for i in (0, 1) for j in (0, 1))
        self.coarse_weight = torch.stack([F.pad(taps, pair) for pair in pairs]).sum(0)
        self.fine_weight = self.weight[:, self.coarse :].contiguous()


def _norm_layer(norm: str | None, channels: int) -> nn.Module:
    """Make a normalisation layer."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(8, channels) if norm else nn.Identity()
