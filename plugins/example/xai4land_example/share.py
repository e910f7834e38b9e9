"""A kind of emulator with outputs and a head of its own: a share of each pixel, 0 to 1.

Snow, fire or flood: anything that covers part of a pixel. xai4land makes the windows, runs the
network, blends, stores and trains; this file says what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch

from xai4land.emulator import Emulator, MapCard, Outputs
from xai4land.heads.base import TrainingWindow
from xai4land.heads.constant import ConstantGuess
from xai4land.heads.loss import Loss
from xai4land.heads.outputs import Output
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Stack


class Share(Outputs):
    """Outputs as a card describes them."""

    kind: Literal["share"] = "share"
    name: str

    names = property(lambda self: (self.name,))
    summary = property(lambda self: f"{self.name} (share of a pixel)")
    layers = property(lambda self: 1)
    guess_channels = property(lambda self: 0)

    def make_head(self, card: MapCard) -> ShareHead:
        """Return the head of these outputs."""
        return ShareHead(self)


class ShareHead:
    """From the network's answer to a share; see :class:`xai4land.heads.base.Head`."""

    period = "year"
    missing_truth = float("nan")

    def __init__(self, share: Share) -> None:
        self.share, self.title = share, share.name.replace("_", " ")

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the share, kept in steps of 0.01."""
        about = {"long_name": f"share of the pixel with {self.title}", "units": "1"}
        return (Output(self.share.name, "float32", about, np.float32(np.nan), steps=100),)

    def first_guess(self, stacks: Sequence[Stack]) -> ConstantGuess:
        """Return zero: nothing is known of the share without the network."""
        return ConstantGuess(1, stacks[0])

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return the first guess, which is the logit of one half."""
        return guess

    def refine(self, raw: torch.Tensor, guess: Any, pixels: Pixels) -> torch.Tensor:
        """Return the network's answer as it is."""
        return raw

    def answer(self, raw: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return the share that is blended."""
        return torch.sigmoid(raw + start)

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: Any, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return the share in steps of 0.01."""
        return {self.share.name: blended[0].mul(100).round().to(torch.uint8)}

    def learn(self, truth: Iterable[np.ndarray]) -> Share:
        """Return the outputs as they are."""
        return self.share

    def loss(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> Loss:
        """Return the area-weighted binary cross-entropy."""
        truth = torch.stack([window.truth for window in windows]).float()
        known = torch.isfinite(truth)
        area = torch.stack([window.area for window in windows])[:, None] * known
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            raw + guess, torch.where(known, truth, 0.5), reduction="none"
        )
        return Loss((losses * area).sum(), area.sum())

    def tune(self, raw: Any, guess: Any, windows: Any) -> Share:
        """Return the outputs as they are."""
        return self.share


class ShareCard(MapCard):
    """The card of such an emulator."""

    kind: Literal["share"] = "share"
    outputs: Share


class ShareEmulator(Emulator):
    """An emulator of a share of each pixel."""

    card_type = ShareCard
