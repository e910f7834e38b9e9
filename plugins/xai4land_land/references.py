"""References that an emulator of change must beat, as emulators without weights.

They see the prior map alone, and meet each coarse cell's demand by the code that an emulator uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
import xarray as xr
from torch import nn

from xai4land.emulator import Card, Changes, Emulator, Input, Resolution, Window
from xai4land.emulator.outputs import PRIOR_SUFFIX
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.legends import Legend, find_legend
from xai4land_land.truth import as_variable

__all__ = ["ChangeRule", "Rule", "change_reference"]

Rule = Literal["persistence", "random", "density"]
SMALLEST_DENSITY = 1e-4
"""Density of a class that is nowhere near."""
LARGEST_STEP = 250
"""Years of a step that a rule is applied to: it knows nothing of time."""


class ChangeRule(nn.Module):
    """A rule that scores where change is likely, in place of a network.

    Parameters
    ----------
    channels, categories, outputs
        As for any architecture; of the codes it sees the first alone, the prior map.
    rule : {"persistence", "random", "density"}
        A class stays; all pixels are alike; or a class grows where it is dense.
    radius : float
        Standard deviation of the Gaussian kernel of the density, in pixels.
    order : sequence of int, optional
        Number of the class at each position among the sorted codes.

    Examples
    --------
    >>> rule = ChangeRule(4, [3], 2, rule="density", radius=1.0)
    >>> codes = torch.ones(1, 1, 8, 8, dtype=torch.long)
    >>> codes[..., 4:] = 2
    >>> scores = rule(torch.zeros(1, 4, 8, 8), codes)
    >>> bool((scores[0, 1, :, 3] > scores[0, 1, :, 1]).all())
    True
    """

    def __init__(
        self,
        channels: int,
        categories: Sequence[int],
        outputs: int,
        rule: Rule = "density",
        radius: float = 1.0,
        order: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if rule not in get_args(Rule) or not 0 < radius <= 32:
            raise ValueError(f"rule={rule!r}, radius={radius}")
        self.rule, self.radius, self.outputs = rule, radius, outputs
        self.order = list(order) or list(range(outputs))

    def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Map the codes of the prior map to scores, (batch, outputs, rows, columns)."""
        if self.rule == "random":
            return _noise(codes[:, :1], self.outputs)
        there = F.one_hot(codes[:, 0], self.outputs + 1)[..., 1:].permute(0, 3, 1, 2).float()
        classes = torch.zeros_like(there)
        classes[:, self.order] = there
        if self.rule == "persistence":
            return 50 * classes
        density = torch.log(_blur(classes, self.radius) + SMALLEST_DENSITY)
        return torch.where(classes > 0, 0.0, density)  # of what grows alone


def _blur(fields: torch.Tensor, radius: float) -> torch.Tensor:
    """Return Gaussian means; beyond the window its edge goes on."""
    reach = max(round(3 * radius), 1)
    distance = torch.arange(-reach, reach + 1, dtype=torch.float32, device=fields.device)
    line = torch.exp(-0.5 * (distance / radius) ** 2)
    line = (line / line.sum()).expand(fields.shape[1], 1, -1)
    wide = F.pad(fields, (reach,) * 4, mode="replicate")
    down = F.conv2d(wide, line[..., None], groups=fields.shape[1])
    return F.conv2d(down, line[:, :, None], groups=fields.shape[1])


def _noise(codes: torch.Tensor, outputs: int) -> torch.Tensor:
    """Return numbers that look random, and are the same for the same prior map."""
    made = []
    for window in codes:
        places = torch.arange(window.numel(), device=window.device)
        seed = int(((window.ravel() + 1) * (places % 8191 + 1)).sum()) % 2**31
        generator = torch.Generator().manual_seed(seed)
        made.append(torch.randn((outputs, *window.shape[-2:]), generator=generator))
    return torch.stack(made).to(codes.device)


def change_reference(
    rule: Rule,
    data: xr.Dataset,
    prior: xr.Dataset | xr.DataArray,
    *,
    radius: float = 1.0,
    legend: str | Legend | None = None,
) -> Emulator:
    """Return a reference as an emulator for ``reconstruct(prior=...)``.

    Parameters
    ----------
    rule : {"persistence", "random", "density"}
        The prior map itself; the least change that meets the demand, placed at random; or placed
        where the class that gains is dense, as in cellular automata.
    data : Dataset
        The states.
    prior : Dataset or DataArray
        The map with flags; its classes decide on the legend.
    radius : float
        Standard deviation of the kernel, in pixels.
    legend : str or Legend, optional

    Raises
    ------
    InputError
        If the rule is unknown, or states or classes are.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[1990, 2000])
    >>> rule = change_reference("density", planet, planet.land_cover)
    >>> made = planet.ai4land.reconstruct(rule, prior=planet.land_cover.isel(time=0))
    >>> made.sizes["time"]
    2
    """
    if rule not in get_args(Rule):
        names = ", ".join(map(repr, get_args(Rule)))
        raise InputError(f"rule={rule!r}, expected one of {names}")
    array = as_variable(prior)
    classes = find_legend(array, legend).output_classes(data)
    outputs = Changes(classes=classes, steps=(1, LARGEST_STEP), conserve=rule != "persistence")
    fraction: dict[str, Any] = {"role": "dynamic", "valid_range": (0.0, 1.0)}
    states = [Input(name=name, **fraction) for name in outputs.states]
    before = [Input(name=f"{spec.name}{PRIOR_SUFFIX}", **fraction) for spec in states]
    values = tuple(sorted(c.value for c in classes))
    order = sorted(range(len(classes)), key=lambda k: classes[k].value)
    parameters: dict[str, Any] = {"rule": rule, "radius": radius, "order": order}
    card = Card(
        name=f"{rule}-change",
        title="Land cover that follows from a prior map by rule",
        architecture={"name": "change-rule", "parameters": parameters},
        inputs=(*states, *before, Input(name=outputs.prior, role="prior", codes=values)),
        outputs=outputs,
        resolution=Resolution(
            target=Grid.of(array, "the prior map").resolution,
            states=Grid.of(data[outputs.states[0]], "the states").resolution,
        ),
        window=Window(size=128, overlap=32),
    )
    return Emulator(card, {})
