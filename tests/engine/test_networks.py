"""Networks: what the U-Net can learn, and what its options leave alone."""

import pytest
import torch

from xai4land.networks.unet import UNet


def learn_levels(direct):
    """Train a small U-Net to tell the level of a window; return its error on other windows."""
    torch.manual_seed(0)
    network = UNet(1, [], 1, [8, 16], direct=direct)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    codes = torch.zeros(8, 0, 16, 16, dtype=torch.long)

    def error():
        level = torch.randn(8, 1, 1, 1)
        windows = level + 0.1 * torch.randn(8, 1, 16, 16)
        return (network(windows, codes) - level).square().mean()

    for _ in range(60):
        optimiser.zero_grad()
        error().backward()
        optimiser.step()
    with torch.no_grad():
        return float(torch.stack([error() for _ in range(10)]).mean())


def test_the_level_of_a_window_is_seen_directly():
    """Normalisation takes away what is alike in all of a window, such as its cell's demand."""
    assert learn_levels(direct=True) < 0.25 * learn_levels(direct=False)


@pytest.mark.parametrize("direct", [False, True])
def test_a_new_network_changes_nothing(direct):
    network = UNet(3, [5], 2, [8, 16], direct=direct)
    codes = torch.randint(0, 5, (1, 1, 20, 20))
    assert not network(torch.randn(1, 3, 20, 20), codes).any()
