"""A short training of seasons."""

from __future__ import annotations

from seasonal_worlds import monthly, red_noise
from xai4land_seasonal import fit

TINY = {"width": 16, "heads": 2, "depth": 1, "latent": 4}


def train(seed_of_data=0, parameters=None, **how):
    return fit(
        monthly(red_noise(50, 6, 12, seed=seed_of_data)),
        validation=10,
        progress=False,
        parameters={**TINY, **(parameters or {})},
        **{"epochs": 2, "batch_size": 100, **how},
    )
