"""Steps of a coupled run in a calendar."""

from __future__ import annotations

import pytest

from xai4land import InputError
from xai4land.coupling.clock import Clock
from xai4land.coupling.run_file import RunFile


@pytest.mark.parametrize(
    ("calendar", "days"), [("standard", 1461.0), ("noleap", 1460.0), ("360_day", 1440.0)]
)
def test_years_and_months_end_together(calendar, days):
    years = Clock.of(2000, 2010, "year", calendar)
    months = Clock.of(2000, 2010, "month", calendar)
    assert years.days(4) == months.days(48) == days
    assert (years.steps, months.steps) == (10, 120)


@pytest.mark.parametrize("calendar", ["standard", "julian", "noleap", "360_day"])
def test_runs_may_begin_before_the_common_era(calendar):
    clock = Clock.of(-2, 2, "year", calendar)
    assert clock.steps == 4
    assert clock.days(4) > 4 * 359


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1580-01-10", 1600, "month"), "lacks in October 1582"),
        ((2000, 2000), "end=2000-01-01 is not after"),
        (("2001-02-29", 2002, "day", "noleap"), "start:"),
        (("2001-01-31", 2002, "month"), "begin on day 1 to 28"),
        ((2000, 2001, "year", "lunar"), "calendar='lunar'"),
    ],
)
def test_runs_that_cannot_be_counted_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Clock.of(*arguments)


def test_yaml_is_read_as_people_write_it(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("emulator: a\nlike: b.nc\nstart: 0750\nend: 2003-01-01\noptions: {seed: 0}\n")
    found = RunFile.read(path)
    assert (found.start, found.end, found.options) == ("0750", "2003-01-01", {"seed": 0})
    assert found.clock.start.year == 750
    path.write_text("emulator: a\nlike: b.nc\nstart: 1\nend: 2\noptions: {device: cpu}\n")
    with pytest.raises(InputError, match="options: names 'device', which is a setting"):
        RunFile.read(path)
    path.write_text("emulator: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match="cannot be read"):
        RunFile.read(path)
