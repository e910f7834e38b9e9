"""Build a card's network, through the entry points of architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from xai4land import discovery
from xai4land.emulator.card import AnyCard
from xai4land.errors import EmulatorFileError, PluginError

if TYPE_CHECKING:
    import torch

__all__ = ["build", "find_architecture", "fold"]


def build(card: AnyCard, weights: Mapping[str, torch.Tensor] | None = None) -> torch.nn.Module:
    """Build the card's network, with fresh or with given weights.

    Raises
    ------
    EmulatorFileError
        If the architecture is not installed, refuses its parameters, or the weights do not fit.
    """
    import torch

    name, architecture = card.architecture.name, find_architecture(card)
    try:
        # On the meta device a card can ask for any size without taking memory.
        with torch.device("cpu" if weights is None else "meta"):
            network = architecture(**card.arguments, **card.architecture.parameters)
    except (TypeError, ValueError) as error:
        raise EmulatorFileError(
            f"emulator {card.name!r}: architecture {name!r} refuses its parameters: {error}"
        ) from error
    if weights is not None:
        if faulty := [k for k, w in weights.items() if not _is_finite_real(w)]:
            raise EmulatorFileError(
                f"emulator {card.name!r}: the weights {', '.join(faulty[:3])} are not finite real "
                "numbers; get it again, or train it again"
            )
        try:
            network.load_state_dict(
                {k: _as_single_precision(w) for k, w in weights.items()}, assign=True
            )
        except RuntimeError as error:
            raise EmulatorFileError(
                f"emulator {card.name!r}: its weights do not fit architecture {name!r}: {error}"
            ) from error
    return network


def find_architecture(card: AnyCard) -> Callable[..., torch.nn.Module]:
    """Return the callable that builds the card's network.

    Raises
    ------
    EmulatorFileError
        If it is not installed.
    """
    name = card.architecture.name
    try:
        found: Callable[..., torch.nn.Module] = discovery.load("architectures", name)
    except PluginError as error:
        raise EmulatorFileError(
            f"emulator {card.name!r} needs the architecture {name!r}: {error}"
        ) from error
    return found


def fold(network: torch.nn.Module) -> torch.nn.Module:
    """Combine weights where they can be, so that the network has less to do.

    Exact up to rounding, for a network in evaluation mode. Batch normalisation goes into the
    convolution before it, where they are neighbours in a ``Sequential``; modules with a method
    ``fold_weights()`` then do what they know themselves.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in list(network.modules()):
        if not isinstance(module, torch.nn.Sequential):
            continue
        for i in range(len(module) - 1):
            before, after = module[i], module[i + 1]
            if isinstance(before, torch.nn.Conv2d) and isinstance(after, torch.nn.BatchNorm2d):
                module[i] = fuse_conv_bn_eval(before, after)
                module[i + 1] = torch.nn.Identity()
    for module in network.modules():
        if callable(fold := getattr(module, "fold_weights", None)):
            fold()
    return network


def _is_finite_real(weight: torch.Tensor) -> bool:
    """Whether all values are finite real numbers."""
    return not weight.is_complex() and bool(weight.isfinite().all())


def _as_single_precision(weight: torch.Tensor) -> torch.Tensor:
    import torch

    return weight.to(torch.float32) if weight.is_floating_point() else weight
