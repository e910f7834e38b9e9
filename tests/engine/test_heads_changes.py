"""The head of changes: its first guess and what the network sees of it, by hand."""

import numpy as np
import pytest
import torch
import xarray as xr

from xai4land.emulator import Changes, OutputClass
from xai4land.grids.grid import Grid
from xai4land.heads.expected import CHANGE_FLOOR, GROSS_PER_ROOT, ExpectedChange
from xai4land.training.regions import Regions
from xai4land.training.samples import Corner
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field


def axis(values, name):
    units = {"lat": "degrees_north", "lon": "degrees_east"}[name]
    return (name, values, {"standard_name": f"{name}itude", "units": units})


def grid(size):
    """Return rows and columns of two degrees from 10° to 8° north and 0° to 2° east."""
    step = 2 / size
    north, west = 10 - step / 2, step / 2
    lat, lon = north - step * np.arange(size), west + step * np.arange(size)
    return Grid.of(xr.Dataset(coords={"lat": axis(lat, "lat"), "lon": axis(lon, "lon")}))


@pytest.fixture
def guess():
    """Two by two cells; the first gains .25 of the second class, the others do not change."""
    classes = (
        OutputClass(value=1, name="open", states=("open",)),
        OutputClass(value=2, name="forest", states=("forest",)),
    )
    outputs = Changes(classes=classes, transitions=((0.0, 0.5), (2.0, 0.0)))
    before = torch.full((2, 2, 2), 0.5)
    after = before.clone()
    after[:, 0, 0] = torch.tensor([0.25, 0.75])
    prior = torch.tensor([1, 2]).repeat(4, 2)[None]
    coarse, start = grid(2), (0, 0)
    fields = [Field(coarse, start, part) for part in (after, after)]
    unknown = torch.zeros(2)
    return ExpectedChange(
        outputs, *fields, unknown, Field(coarse, start, before), Field(grid(4), (0, 0), prior)
    )


@pytest.fixture
def pixels():
    fine = grid(4)
    return Pixels(fine.lat.values, fine.lon.values, fine.spacings)


def test_pixels_change_as_often_as_in_the_training_data_by_the_root_of_net_change(guess, pixels):
    found = guess.values(pixels)
    leave = GROSS_PER_ROOT * 0.5 * torch.tensor([0.5, 2.0])
    assert found[1, 0, 0] == pytest.approx(float(leave[0]))
    assert found[0, 0, 1] == pytest.approx(float(leave[1]))
    assert torch.allclose(found.sum(0), torch.ones(4, 4))
    assert (found.amax(0)[2:] == 1).all()


def test_the_network_sees_the_change_of_the_own_class_and_of_the_cell(guess, pixels):
    channels = torch.empty(guess.outputs.guess_channels, 4, 4)
    guess.fill_channels(channels, guess.values(pixels), pixels)
    own, net = channels[-2:]
    assert own[0, :2].tolist() == pytest.approx([-2.0, 2.0])  # four times the root of .25
    assert net[:2, :2].ravel().tolist() == pytest.approx([2.0] * 4)
    assert not own[2:].any()
    assert not net[2:].any()
    assert channels[0, 3, 1] == pytest.approx(float(np.log(CHANGE_FLOOR)) / 4)


class Part:
    """Windows of a region in which there is as much to learn as in any other."""

    weight = 4.0

    def draw(self, count, rng):
        return [Corner(0, 0, 0)] * count


def test_regions_are_drawn_by_their_weight():
    corners = Regions([Part(), Part()], [3.0, 1.0]).draw(2000, np.random.default_rng(0))
    assert np.mean([corner.region == 0 for corner in corners]) == pytest.approx(0.75, abs=0.04)
