"""Skill by lead, as a picture."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import forecast, plot_skill_by_lead, verify


@pytest.fixture(scope="module")
def scores() -> xr.Dataset:
    """Of damped persistence in red noise: skill falls with the lead."""
    world = monthly(red_noise(60, 3, 6))
    by_lead = []
    for lead in (0, 1, 3):
        made = forecast(
            world, ("DJF", "JJA"), lead=lead, years=range(1930, 1960), members=10,
            emulator="damped persistence",
        )  # fmt: skip
        by_lead.append(
            verify(
                made, world, references=["climatology", "persistence"], metrics=["acc", "crpss"],
                dim=("time", "lat", "lon"), intervals=50, progress=False,
            )
        )  # fmt: skip
    return xr.concat(by_lead, xr.Variable("lead", [0, 1, 3]))


def test_lines_are_the_scores_at_their_leads(scores):
    figure = plot_skill_by_lead(scores, metric="crpss")
    assert [ax.get_title() for ax in figure.axes] == ["DJF", "JJA"]
    for ax, season in zip(figure.axes, ("DJF", "JJA"), strict=True):
        lines = {line.get_label(): line for line in ax.lines if line.get_label()[0] != "_"}
        assert set(lines) == {"damped persistence", "climatology", "persistence"}
        part = scores.crpss.sel(season=season, forecast="damped persistence")
        x, y = lines["damped persistence"].get_data()
        np.testing.assert_allclose(y, part)
        np.testing.assert_array_equal(np.round(x), [0, 1, 3])
        assert y[0] > y[1] > y[2]
        bars = [path.vertices[:, 1] for lines in ax.collections for path in lines.get_paths()]
        assert len(bars) == 9
    text = {label.get_text() for label in figure.legends[0].get_texts()}
    assert "persistence" in text
    assert "90 % intervals" in figure._suptitle.get_text()


def test_leads_are_sorted_and_regions_chosen(scores):
    regional = xr.concat([scores, scores + 0.1], xr.Variable("region", ["europe", "asia"]))
    figure = plot_skill_by_lead(regional.isel(lead=[2, 0, 1]), region="asia")
    y = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(y, scores.acc.isel(season=0, forecast=0) + 0.1)
    assert "asia" in figure._suptitle.get_text()


def test_what_cannot_be_drawn_is_told(scores):
    with pytest.raises(InputError, match=r"no dimension 'lead'.*xr.concat"):
        plot_skill_by_lead(scores.isel(lead=0))
    with pytest.raises(InputError, match="metric 'rpss', expected one of acc"):
        plot_skill_by_lead(scores, metric="rpss")
    with pytest.raises(InputError, match="scores along lat, lon, expected means"):
        plot_skill_by_lead(scores.expand_dims(lat=2, lon=2))
