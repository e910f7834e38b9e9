"""The seasonal emulator: from the past to members of a coming season."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xai4land.emulator import AnyEmulator
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.data.variables import Variable
from xai4land_seasonal.emulator.card import SeasonalCard
from xai4land_seasonal.forecaster import Forecaster, GridIndex, member_rng

if TYPE_CHECKING:
    from xai4land_seasonal.emulator.network import Ensemble

__all__ = ["SeasonalEmulator"]


class SeasonalEmulator(AnyEmulator, Forecaster):
    """A trained conditional VAE that forecasts seasons, with its card.

    Its mean is blended with other methods' and added to the trend of the years before, and members
    depart from it as its errors do; see :doc:`/seasonal`.

    Parameters
    ----------
    card : SeasonalCard
    weights : mapping from str to Tensor
    """

    card_type = SeasonalCard
    card: SeasonalCard

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    @property
    def description(self) -> str:
        """One sentence for the attributes of forecasts."""
        return self.card.title or f"seasonal emulator {self.card.name}"

    @property
    def native_grid(self) -> Grid:
        """The card's grid."""
        return self.card.cells

    @property
    def trend(self) -> Trend:
        """The card's trend."""
        return self.card.trend

    @property
    def attrs(self) -> Mapping[str, str]:
        """The file's hash, and the years and climate models that were learned from."""
        learned = {f"training_{k}": str(self.card.training.get(k, "")) for k in ("years", "models")}
        return {"emulator_sha256": self.sha256} | {k: v for k, v in learned.items() if v}

    def predictors(self, available: Sequence[Variable]) -> tuple[Variable, ...]:
        """Return the card's predictors."""
        return self.card.predictors

    def targets(self, variables: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the card's targets."""
        return self.card.targets

    def window(self, grid: Grid) -> tuple[Grid, GridIndex | None]:
        """Return the grid of the card's region, and its rows and columns."""
        return self.card.target_cells, self.card.window if self.card.region else None

    @cached_property
    def _network(self) -> Ensemble:
        return self._build().eval().requires_grad_(False)  # type: ignore[return-value]

    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Compute anomalies of members, shape (years, count, targets, cells).

        Parameters
        ----------
        history : History
            Monthly anomalies of the card's predictors on its grid.
        season : Season
        lead : int
            One of the card's.
        years : ndarray of int
        count : int
            Size of the ensemble. Members of one year depend on the seed and the year alone.
        seed : int

        Raises
        ------
        InputError
            If the card does not have the lead.
        """
        if lead not in self.card.leads:
            raise InputError(
                f"lead={lead}, expected one that {self.card.name!r} learned: "
                f"{', '.join(map(str, self.card.leads))}"
            )
        from xai4land_seasonal.emulator.means import compute_means
        from xai4land_seasonal.emulator.noise import draw_noise

        network, card, month = self._network, self.card, season.month - 1
        scale = network.scale[card.target_index, month]
        at = card.leads.index(lead)
        sd = (scale * network.noise_sd[at, :, month]).double().numpy()
        sd *= np.array(card.spread)[:, None]
        patterns = network.noise_patterns[at].double().numpy()
        means = compute_means(network, card, history, season, lead, years)
        members = []
        for year, mean in zip(years, means, strict=True):
            noise = draw_noise(patterns, sd, count, member_rng(seed, season, int(year)))
            members.append(mean + noise - (noise.mean(0) if count > 1 else 0.0))
        return np.stack(members)
