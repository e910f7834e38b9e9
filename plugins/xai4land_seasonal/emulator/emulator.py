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
from xai4land_seasonal.data.history import History, Inputs
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.data.variables import Variable
from xai4land_seasonal.emulator.card import SeasonalCard
from xai4land_seasonal.forecaster import Forecaster, GridIndex, member_rng

if TYPE_CHECKING:
    import torch

    from xai4land_seasonal.emulator.network import Ensemble

__all__ = ["SeasonalEmulator"]


class SeasonalEmulator(AnyEmulator, Forecaster):
    """A trained conditional VAE that forecasts seasons, with its card.

    Its output is added to the trend of the years before; see the method's page.

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
        """The file's hash, and the years that were learned from."""
        years = str(self.card.training.get("years", ""))
        return {"emulator_sha256": self.sha256} | ({"training_years": years} if years else {})

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
        inputs = history.inputs(season, lead, years)
        members = np.full(
            (len(years), count, len(self.card.targets), history.values.shape[-1]), np.nan
        )
        for i in range(len(years)):
            rng = member_rng(seed, season, int(years[i]))
            members[i] = self._forecast_one(inputs.take(i), season, lead, count, rng)
        return members

    def _forecast_one(
        self,
        inputs: Inputs,
        season: Season,
        lead: int,
        count: int,
        rng: np.random.Generator,
    ) -> Floats:
        """Compute members of one forecast, shape (count, targets, cells)."""
        import torch

        from xai4land_seasonal.emulator.cases import apply_persistence, make_fields

        network, card = self._network, self.card
        month, at = season.month - 1, card.leads.index(lead)
        target_index = [[v.name for v in card.predictors].index(name) for name in card.targets]
        scale = network.scale.double().numpy()[:, month]
        fields = make_fields(inputs, scale)
        persistent = apply_persistence(
            fields, network.persistence[at].double().numpy(), target_index, month
        )[0]
        shape = (len(card.lat), len(card.lon))
        with torch.inference_mode():
            predictors = torch.from_numpy(fields).float().unflatten(-1, shape)
            mean, departures = _sample(network, predictors, (month, at), count, rng)
        mean *= np.array(card.amplitude)[:, None]
        departures *= np.array(card.spread)[:, None]
        trend = inputs.trend[0, target_index]
        return np.asarray(trend + scale[target_index] * (persistent + mean + departures))


def _sample(
    network: Ensemble,
    fields: torch.Tensor,
    position: tuple[int, int],
    count: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the mean of the networks, (targets, cells), and the members' departures from it."""
    import torch

    from xai4land_seasonal.emulator.conditions import Condition

    condition = Condition(*(torch.tensor([k]) for k in (*position, 0)))
    means, departures = [], []
    for k, one in enumerate(network.cvaes):
        size = len(range(k, count, len(network.cvaes)))
        encoded = one.encode(fields, condition)
        prior = one.prior(encoded)
        means.append(one.decode(encoded, prior.mean).flatten(2)[0].double().numpy())
        if not size:
            continue
        normal = torch.from_numpy(rng.standard_normal((size, prior.mean.shape[1]))).float()
        drawn = one.decode(encoded.expand(size, -1, -1), prior.rsample(normal)).flatten(2)
        sd = torch.exp(one.log_sd(condition)).flatten(2)
        noise = torch.from_numpy(rng.standard_normal(drawn.shape)).float()
        departures.append((drawn + sd * noise).double().numpy())
    members = np.concatenate(departures)
    mean = np.mean(means, 0)
    return mean, members - (members.mean(0) if count > 1 else mean)
