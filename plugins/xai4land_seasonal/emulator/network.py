"""An ensemble of networks, and the statistics that they share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from xai4land_seasonal.emulator.conditions import CHANNELS, HARMONICS
from xai4land_seasonal.emulator.cvae import CVAE
from xai4land_seasonal.emulator.noise import PATTERNS
from xai4land_seasonal.emulator.ridge import RIDGE_PATTERNS

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Networks that differ in their random seed alone, and the statistics that they share.

    Parameters
    ----------
    networks : int
        How many; members are divided among them.
    **sizes
        Those of :class:`xai4land_seasonal.emulator.cvae.CVAE`.

    Attributes
    ----------
    scale : Tensor, shape (predictors, 12, rows * columns)
        Standard deviation of the departures of the season that begins in each month.
    persistence : Tensor, shape (leads, targets, channels, harmonics, rows * columns)
        Regression of a season on the cell's own recent departures.
    noise_sd : Tensor, shape (leads, targets, 12, rows * columns)
        Standard deviation of forecasts' errors, in units of the scale.
    noise_patterns : Tensor, shape (leads, patterns, targets, rows * columns)
        See :mod:`xai4land_seasonal.emulator.noise`; zero beyond the last one.
    ridge_patterns, ridge_slopes, ridge_targets : Tensor
        See :class:`xai4land_seasonal.emulator.ridge.RidgeStatistics`.
    """

    scale: torch.Tensor
    persistence: torch.Tensor
    noise_sd: torch.Tensor
    noise_patterns: torch.Tensor
    ridge_patterns: torch.Tensor
    ridge_slopes: torch.Tensor
    ridge_targets: torch.Tensor

    def __init__(self, networks: int = 1, **sizes: int) -> None:
        super().__init__()
        if not 1 <= networks <= 64:
            raise ValueError(f"networks={networks}, expected 1 to 64")
        self.networks = nn.ModuleList(CVAE(**sizes) for _ in range(networks))
        self.shape = (sizes["rows"], sizes["columns"])
        self.channels = (CHANNELS + 1) * sizes["predictors"]
        cells = sizes["rows"] * sizes["columns"]
        shapes: dict[str, Sequence[int]] = {
            "scale": (sizes["predictors"], 12, cells),
            "persistence": (sizes["leads"], sizes["targets"], CHANNELS, HARMONICS, cells),
            "noise_sd": (sizes["leads"], sizes["targets"], 12, cells),
            "noise_patterns": (sizes["leads"], PATTERNS, sizes["targets"], cells),
            "ridge_patterns": (RIDGE_PATTERNS, sizes["predictors"], cells),
            "ridge_slopes": (sizes["leads"], 12, 2 * RIDGE_PATTERNS, RIDGE_PATTERNS),
            "ridge_targets": (RIDGE_PATTERNS, sizes["targets"], cells),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(*shape))

    @property
    def cvaes(self) -> list[CVAE]:
        """The networks."""
        return [network for network in self.networks if isinstance(network, CVAE)]
