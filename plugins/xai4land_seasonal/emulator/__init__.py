"""The seasonal emulator: card, network, training."""
