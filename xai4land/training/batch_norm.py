"""Batch normalisation by the statistics of all processes, on any device."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn

__all__ = ["share_batch_norm"]


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the windows of all processes; torch's own needs GPUs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise a batch; its statistics are those of all processes' batches."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        count = wide.new_full((1,), wide.numel() / wide.shape[1])
        sums = torch.cat([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3)), count])
        first, second, number = _add(sums).split([x.shape[1], x.shape[1], 1])
        mean = first / number
        variance = (second / number - mean.square()).clamp(min=0)
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            rate = self.momentum or 1.0 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean, rate)
            self.running_var.lerp_(variance * number / (number - 1).clamp(min=1), rate)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        shift = self.bias - mean * scale
        normal: torch.Tensor = wide * scale[:, None, None] + shift[:, None, None]
        return normal.to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; the gradient of each addend is the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _add(values: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


def share_batch_norm(network: nn.Module) -> None:
    """Let a network's batch normalisation use the statistics of all processes."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
