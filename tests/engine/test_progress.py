"""Progress on a terminal, in logs, and where none is wanted."""

from __future__ import annotations

import pytest

from xai4land import progress
from xai4land.progress import byte_progress, pixel_progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand, in seconds."""
    now = [0.0]
    monkeypatch.setattr(progress.LoggedProgress, "get_time", lambda self: now[0], raising=False)
    original = progress.LoggedProgress.__init__

    def init(self, *args, **kwargs):
        original(self, *args, get_time=lambda: now[0], **kwargs)

    monkeypatch.setattr(progress.LoggedProgress, "__init__", init)
    return now


def lines(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.strip()]


def test_a_log_gets_a_line_every_half_a_minute(clock, capsys):
    with pixel_progress("write map", 100.0, show=True) as advance:
        for _ in range(20):  # 200 s
            clock[0] += 10
            advance(5.0)
    shown = lines(capsys)
    assert len(shown) == 7  # six, and the last one
    assert [line.split("%")[0].split()[-1] for line in shown] == [
        "15", "30", "45", "60", "75", "90", "100",
    ]  # fmt: skip
    assert all(line.startswith("write map") for line in shown)
    assert "\x1b" not in "".join(shown)
    assert "━" not in "".join(shown)


def test_a_short_run_leaves_one_line(clock, capsys):
    with byte_progress("luh2.nc", show=True) as here:
        for done in (1000, 2000, 4000):
            clock[0] += 1
            here(done, 4000)
    assert len(lines(capsys)) == 1


def test_quiet_is_quiet(clock, capsys):
    with pixel_progress("write map", 100.0, show=False) as advance:
        clock[0] += 100
        advance(5.0)
    assert lines(capsys) == []
