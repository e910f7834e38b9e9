"""Networks of leaf area: one pixel at a time, from the climate of its last months."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["MonthsMLP", "MonthsRNN"]

MAX_WIDTH = 512


def compress(values: torch.Tensor) -> torch.Tensor:
    """Compute asinh; torch's own takes ten times as long.

    Examples
    --------
    >>> compress(torch.tensor([-1.0, 0.0, 100.0])).sinh().round().tolist()
    [-1.0, 0.0, 100.0]
    """
    size, square = values.abs(), values.square()
    return torch.log1p(size + square / ((square + 1).sqrt() + 1)).copysign(values)


class _PixelNetwork(nn.Module):
    """What the networks share: pixels as rows, and one embedding for each layer of the answer.

    Parameters
    ----------
    channels, categories
        Of the whole input; have no effect.
    outputs : int
        Layers of the answer.
    sequences : sequence of sequence of int
        Channels of each month of climate, the newest first.
    others : sequence of int
        Channels of all else that the network sees.
    width : int
    compress : bool
        Whether inputs pass asinh first: as they are near their mean, like logarithms far from it.
        Rain is many times its mean in some months, farther from it than anything that was seen.
    """

    reads_sequences = True
    pixelwise = True

    def __init__(
        self,
        channels: int,
        categories: Sequence[int],
        outputs: int,
        *,
        sequences: Sequence[Sequence[int]],
        others: Sequence[int],
        width: int = 32,
        compress: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= width <= MAX_WIDTH or len({len(month) for month in sequences}) != 1:
            raise ValueError(f"width={width}, months={[len(month) for month in sequences]}")
        self.compress = compress
        self.months, self.features = len(sequences), len(sequences[0])
        oldest_first = [k for month in reversed(sequences) for k in month]
        self.chosen = (*oldest_first, *others)
        self.classes = nn.Parameter(0.1 * torch.randn(outputs, width))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.add_layers(len(others), width)

    def add_layers(self, others: int, width: int) -> None:
        """Make the layers that :meth:`encode` applies."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the answer, (batch, outputs, rows, columns), of (batch, channels, rows, columns).

        Codes have no effect.
        """
        batch, _, rows, columns = x.shape
        chosen = torch.tensor(self.chosen, device=x.device)
        pixels = x.index_select(1, chosen).permute(0, 2, 3, 1).flatten(0, 2)
        if self.compress:
            pixels = compress(pixels)
        split = self.months * self.features
        months = pixels[:, :split].unflatten(1, (self.months, self.features))
        answer = self.encode(months, pixels[:, split:]) @ self.classes.T + self.bias
        made: torch.Tensor = answer.unflatten(0, (batch, rows, columns)).permute(0, 3, 1, 2)
        return made

    def encode(self, months: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Return what is known of each pixel, shape (pixels, width)."""
        raise NotImplementedError


class MonthsRNN(_PixelNetwork):
    """A gated recurrent network over the months (Cho et al. 2014), then a layer over all inputs.

    Examples
    --------
    >>> network = MonthsRNN(6, (), 3, sequences=[(0, 1), (2, 3)], others=(4, 5), width=8)
    >>> network(torch.zeros(2, 6, 4, 5), torch.zeros(2, 0, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    def add_layers(self, others: int, width: int) -> None:
        """Make the layers that :meth:`encode` applies."""
        self.memory = nn.GRU(self.features, width, batch_first=True)
        self.join = nn.Sequential(
            nn.Linear(width + others, width), nn.GELU(), nn.Linear(width, width), nn.GELU()
        )

    def encode(self, months: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Return what is known of each pixel, shape (pixels, width)."""
        _, last = self.memory(months)
        found: torch.Tensor = self.join(torch.cat([last[0], others], 1))
        return found


class MonthsMLP(_PixelNetwork):
    """A few layers over all inputs at once: light enough for each step of a land model.

    Examples
    --------
    >>> network = MonthsMLP(6, (), 3, sequences=[(0, 1), (2, 3)], others=(4, 5), width=8)
    >>> network(torch.zeros(2, 6, 4, 5), torch.zeros(2, 0, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    def add_layers(self, others: int, width: int) -> None:
        """Make the layers that :meth:`encode` applies."""
        size = self.months * self.features + others
        self.layers = nn.Sequential(
            nn.Linear(size, width), nn.GELU(), nn.Linear(width, width), nn.GELU()
        )

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the answer; the same as by rows of pixels, but channels stay where they are."""
        first, second = self.layers[0], self.layers[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        chosen = torch.tensor(self.chosen, device=x.device)
        size = first.out_features, x.shape[1]
        weight = first.weight.new_zeros(size).index_copy(1, chosen, first.weight)
        seen = compress(x.flatten(2)) if self.compress else x.flatten(2)
        hidden = F.gelu(_mix_channels(weight, first.bias, seen))
        hidden = F.gelu(_mix_channels(second.weight, second.bias, hidden))
        answer = _mix_channels(self.classes, self.bias, hidden)
        made: torch.Tensor = answer.unflatten(2, x.shape[2:])
        return made


def _mix_channels(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Apply a layer to each pixel, (batch, channels, pixels): a convolution of width one."""
    return F.conv1d(x, weight[..., None], bias)
