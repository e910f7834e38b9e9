"""Emulators with random weights for the synthetic inputs."""

from __future__ import annotations

import torch
from world import STATES, STATICS, World

from xai4land.emulator import Architecture, Card, Emulator, Input, OutputClass, Resolution, Window
from xai4land.emulator.build import build

__all__ = ["CHANNELS", "NETWORKS", "make_card", "make_emulator", "make_network", "warm_up"]

NETWORKS = {"tiny": [8, 16], "2M": [32, 64, 128, 256], "8M": [64, 128, 256, 512]}
"""Widths of U-Nets of about 8 thousand, 2 million and 8 million parameters."""

# Water is a class of its own, so that a cell of water alone needs no network.
SHARES = {"water": [1.0], "wood": [0.5, 0.3, 0.2], "field": [0.6, 0.4], "open": [0.7, 0.3]}
CHANNELS = len(STATES) + len(STATICS) + 2 * sum(map(len, SHARES.values()))


def make_card(
    world: World, network: str, conserve: bool = True, window: tuple[int, int] = (256, 64)
) -> Card:
    """Make a card for a world's inputs: eight classes, 24 channels, a quarter of windows shared."""
    legend = [(state, share) for state, shares in SHARES.items() for share in shares]
    return Card(
        name=f"benchmark-{network}",
        architecture=Architecture(name="unet", parameters={"widths": list(NETWORKS[network])}),
        inputs=(
            *(Input(name=n, role="dynamic", valid_range=(0, 1)) for n in STATES),
            *(Input(name=n, role="static") for n in STATICS),
        ),
        classes=tuple(
            OutputClass(value=k, name=f"{state}_{k}", states=(state,), share=share)
            for k, (state, share) in enumerate(legend)
        ),
        conserve=conserve,
        resolution=Resolution(target=world.step, states=world.step * world.ratio),
        window=Window(size=window[0], overlap=window[1]),
    )


def make_network(card: Card) -> torch.nn.Module:
    """Make the card's network with torch's defaults, but a head that is not zero."""
    torch.manual_seed(0)
    network = build(card)
    torch.nn.init.normal_(network.get_parameter("head.weight"), std=0.1)
    return network.eval().requires_grad_(False)


def make_emulator(card: Card) -> Emulator:
    """Make an emulator of the same network."""
    return Emulator(card, make_network(card).state_dict())


def warm_up(network: torch.nn.Module, card: Card) -> None:
    """Run one window, so that no measurement includes what torch does once per process."""
    size = card.window.size
    dtype = next(network.parameters()).dtype
    x = torch.zeros(1, CHANNELS, size, size, dtype=dtype)
    with torch.inference_mode():
        network(x, torch.zeros(1, 0, size, size, dtype=torch.long))
