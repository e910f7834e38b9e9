"""Reports as a browser shows them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seasonal_worlds import monthly, red_noise
from xai4land_seasonal import forecast, report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser on PATH: {', '.join(BROWSERS)}")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    world = monthly(red_noise(60, 6, 12))
    how = {"years": range(1940, 1960), "members": 10, "emulator": "damped persistence"}
    made = forecast(world, ("DJF", "JJA"), **how)
    folder = tmp_path_factory.mktemp("page")
    made.attrs["title"] = "<script>document.title='run'</script> & more"  # text is never run
    return report(made, folder / "report.html", obs=world, intervals=20)


def shown(browser: str, folder: Path, *arguments: str) -> str:
    """What the browser says of a page that it may load nothing for."""
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000", *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_a_browser_shows_all_pictures_and_the_scores(browser, page, tmp_path):
    """A script beside the page asks the browser how large it drew what."""
    ask = (
        "<pre id=asked></pre><script>addEventListener('load',()=>{"
        "asked.textContent=JSON.stringify([document.images.length,"
        "[...document.images].filter(i=>i.naturalWidth>200&&i.clientWidth>200).length,"
        "scores.rows.length,scores.rows[1].cells[1].innerText,"
        "document.documentElement.scrollWidth<=innerWidth])})</script>"
    )
    beside = tmp_path / "asked.html"
    text = page.read_text(encoding="utf-8")
    beside.write_text(text.replace("</body>", ask + "</body>"), encoding="utf-8")
    seen = shown(browser, tmp_path / "user", "--dump-dom", beside.as_uri())
    found = re.search(r'<pre id="asked">\[(\d+),(\d+),(\d+),"(.*?)",(true|false)\]', seen)
    assert found, seen[-2000:]
    count, drawn, rows, score, fits = found.groups()
    assert int(count) == int(drawn) >= 5
    assert rows == "5"  # a head, the forecast and three references
    assert re.match(r"-?0\.\d{3}.*to", score)
    assert fits == "true"
    assert "<title>&lt;script&gt;document.title='run'&lt;/script&gt; &amp; more</title>" in seen


def test_a_browser_draws_it(browser, page, tmp_path):
    from matplotlib.image import imread

    picture = tmp_path / "page.png"
    shown(
        browser, tmp_path / "user", f"--screenshot={picture}", "--window-size=1100,3000",
        page.as_uri(),
    )  # fmt: skip
    pixels = imread(picture)[..., :3]
    assert pixels.shape[1] == 1100
    assert pixels.std() > 0.05  # not blank
    colours = (pixels.max(-1) - pixels.min(-1)) > 0.2
    assert colours[:1500].mean() > 0.05  # maps
