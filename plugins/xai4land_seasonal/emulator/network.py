"""A conditional variational autoencoder of transformers over patches of the sphere.

Kingma and Welling (2014) and Sohn, Lee and Yan (2015): a prior p(z|x), a posterior q(z|x, y) and a
decoder p(y|x, z), each a transformer over the same patches (Dosovitskiy et al. 2021). Attention
knows no edge, so longitude wraps; patches know their place by embeddings that are learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from xai4land_seasonal.emulator.conditions import CHANNELS, HARMONICS
from xai4land_seasonal.emulator.cvae import CVAE

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Several networks that were trained alike but for chance, and what they share.

    Parameters
    ----------
    networks : int
        How many; members are dealt among them.
    **sizes
        As of :class:`CVAE`.

    Attributes
    ----------
    scale : Tensor, shape (predictors, 12, rows * columns)
        Standard deviation of the departures of the season that begins in each month.
    persistence : Tensor, shape (leads, targets, channels, harmonics, rows * columns)
        How much of a cell's own recent departures stays.
    """

    scale: torch.Tensor
    persistence: torch.Tensor

    def __init__(self, networks: int = 1, **sizes: int) -> None:
        super().__init__()
        if not 1 <= networks <= 64:
            raise ValueError(f"networks={networks}, expected 1 to 64")
        self.networks = nn.ModuleList(CVAE(**sizes) for _ in range(networks))
        cells = sizes["rows"] * sizes["columns"]
        shapes: dict[str, Sequence[int]] = {
            "scale": (sizes["predictors"], 12, cells),
            "persistence": (sizes["leads"], sizes["targets"], CHANNELS, HARMONICS, cells),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(*shape))

    @property
    def cvaes(self) -> list[CVAE]:
        """The networks."""
        return [network for network in self.networks if isinstance(network, CVAE)]
