"""Members as small maps beside observed years."""

from __future__ import annotations

import numpy as np
import pytest

from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import forecast, plot_members


@pytest.fixture(scope="module")
def world():
    return monthly(red_noise(50, 6, 12, seed=3))


def test_members_and_the_seasons_before_them_are_drawn_on_one_scale(world):
    made = forecast(world, "JJA", years=[1940, 1941], members=4, emulator="trend")
    figure = made.seasonal.plot_members(world, count=3, time=0)
    maps = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in maps] == [
        *("member 0", "member 1", "member 2"),
        *("observed 1937", "observed 1938", "observed 1939"),
    ]
    assert len({axes.collections[0].get_clim() for axes in maps}) == 1
    drawn = maps[1].collections[0].get_array()
    expected = made.tas.isel(time=0, realization=1).values[::-1]  # from the south
    np.testing.assert_allclose(np.asarray(drawn).ravel(), expected.ravel(), rtol=1e-6)


def test_fewer_members_than_seasons_leave_places_free(world):
    made = forecast(world, "JJA", years=1940, members=2, emulator="trend")
    titles = [axes.get_title() for axes in plot_members(made, world, count=4).axes]
    assert sum(title.startswith("member") for title in titles) == 2
    assert sum(title.startswith("observed") for title in titles) == 4


def test_seasons_before_the_forecast_are_needed(world):
    made = forecast(world, "JJA", years=1940, members=2, emulator="trend")
    with pytest.raises(InputError, match="no JJA was observed before 1940"):
        plot_members(made, world.sel(time=slice("1940", None)))
