"""Leaf area of a window as a module whose every step ONNX knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from xai4land.emulator import Emulator
from xai4land.errors import InputError
from xai4land_land.leaf.head import SPREAD_BOUNDS
from xai4land_land.leaf.outputs import LeafClasses

__all__ = ["LeafGraph"]

LARGEST_DIFFERENCE = 1e-4
"""Of leaf area index, between ONNX Runtime and torch."""


class LeafGraph(nn.Module):
    """Features, network and leaf area of a window of pixels; see :func:`xai4land.coupling.export`.

    Parameters
    ----------
    emulator : Emulator
        Of leaf area.
    cells : int, optional
        Pixels along a side of the window; by default those of the emulator's.

    Raises
    ------
    InputError
        If the emulator has inputs that are codes, or the window cannot be.
    """

    bounds: torch.Tensor
    not_inside = (
        "blending of windows that overlap, interpolation of climate and of static features to "
        "pixels, months before and length of the day, lapse rate"
    )

    def __init__(self, emulator: Emulator, cells: int | None = None) -> None:
        super().__init__()
        card, outputs = emulator.card, emulator.card.outputs
        assert isinstance(outputs, LeafClasses)
        size = card.window.size if cells is None else cells
        problems = []
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 1024:
            problems.append(f"cells={cells!r}, expected a number of pixels to 1024, or none")
        if card.coded:
            problems.append(
                f"emulator {card.name!r} reads codes ({', '.join(s.name for s in card.coded)}), "
                "which a graph of leaf area has no place for; fit one without"
            )
        InputError.raise_if(problems)
        self.card, self.outputs, self.cells, self.pixels = card, outputs, size, 1
        self.output_names = (*outputs.names, "raw", "features", "feature_codes")
        self.network = emulator.network()
        bounds = torch.tensor([c.bound for c in outputs.classes])[:, None, None]
        self.register_buffer("bounds", bounds, persistent=False)

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Shape and type of the argument for one window, without the batch."""
        return {"numbers": ((len(self.card.inputs), self.cells, self.cells), torch.float32)}

    @property
    def about(self) -> dict[str, Any]:
        """What the arguments are, as JSON has it."""
        return {"numbers": [spec.name for spec in self.card.inputs]}

    def forward(self, numbers: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return leaf area and its spread, and the network's answer and what it sees.

        Parameters
        ----------
        numbers : Tensor, shape (batch, inputs, size, size)
            Inputs on pixels, in the card's order and units, NaN where missing.
        """
        known = torch.isfinite(numbers)
        values = torch.where(known, numbers, 0.0)
        channels, missing = [], torch.zeros_like(known[:, 0])
        for k, spec in enumerate(self.card.inputs):
            scaled, share = (values[:, k] - spec.offset) / spec.scale, known[:, k].float()
            if spec.fill is None:
                channels.append(scaled)
            else:
                filled = (spec.fill - spec.offset) / spec.scale
                channels += [scaled * share + (1 - share) * filled, share]
            if not spec.fillable:
                missing = missing | ~known[:, k]
        x = torch.stack(channels, 1)
        codes = torch.zeros((numbers.shape[0], 0, self.cells, self.cells), dtype=torch.int64)
        raw = self.network(x, codes)
        names = [spec.name for spec in self.card.inputs]
        covers = [names.index(name) for name in self.outputs.coarse_inputs]
        fractions = torch.stack([values[:, k] for k in covers], 1).clamp(0, 1)
        mean = (torch.sigmoid(raw[:, :-1]) * self.bounds * fractions).sum(1)
        spread = raw[:, -1].clamp(*SPREAD_BOUNDS).exp() * self.outputs.spread * (mean > 0)
        nothing = torch.full_like(mean, torch.nan)
        return (
            torch.where(missing, nothing, mean),
            torch.where(missing, nothing, spread),
            raw,
            x,
            codes,
        )

    def make_example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Return arguments at random, of the card's statistics; some are missing."""
        rng = np.random.default_rng(0)
        inputs = self.card.inputs
        covers = self.outputs.coarse_inputs
        shape = batch, len(inputs), self.cells, self.cells
        offset, scale = (
            np.array([getattr(s, name) for s in inputs])[:, None, None]
            for name in ("offset", "scale")
        )
        values = offset + scale * rng.normal(size=shape)
        shares = rng.dirichlet(np.ones(len(covers) + 1), (batch, *shape[2:]))
        for k, spec in enumerate(inputs):
            if spec.name in covers:
                values[:, k] = shares[..., covers.index(spec.name)]
        values[rng.random(shape) < 0.01] = np.nan
        return (torch.from_numpy(values.astype(np.float32)),)

    def compare(self, expected: list[Any], made: list[Any]) -> tuple[dict[str, float], str]:
        """Return the differences of two answers, and what is wrong with them or an empty text."""
        missing = [[np.isnan(part) for part in answer] for answer in (expected, made)]
        same = all(map(np.array_equal, *missing))
        found = {
            "difference": float(np.nanmax(np.abs(made[0] - expected[0]))),
            "difference of spread": float(np.nanmax(np.abs(made[1] - expected[1]))),
        }
        largest = max(found.values())
        if same and largest <= LARGEST_DIFFERENCE:
            return found, ""
        return found, f"by {largest:.2g} in leaf area index, or in where it is missing"
