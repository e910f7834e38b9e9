"""Open each page of the built site in a headless Chromium; fail on what a reader would miss.

That is: a page that is not there, a picture that is broken, an error in the console, anything that
is loaded from elsewhere, and a search that finds nothing. ``chromium`` and ``chromedriver`` must be
installed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
BROKEN_PICTURES = """
return [...document.images].filter(p => p.currentSrc && !(p.complete && p.naturalWidth))
    .map(p => p.currentSrc)
"""
FOREIGN = """
return performance.getEntriesByType('resource').map(r => r.name)
    .filter(name => !name.startsWith(location.origin) && !name.startsWith('data:'))
"""
LOADED = """
const done = arguments[arguments.length - 1];
document.querySelectorAll('img[loading=lazy]').forEach(p => { p.loading = 'eager'; });
Promise.all([...document.images].map(p => p.decode().catch(() => null))).then(() => done());
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """Serve a folder on loopback, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Start Debian's Chromium with a new profile."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if absent := [name for name, path in programs.items() if path is None]:
        sys.exit(f"{' and '.join(absent)} not found; apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(programs["chromium"])
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(options, Service(str(programs["chromedriver"])))
        browser.set_script_timeout(20)
        try:
            yield browser
        finally:
            browser.quit()


def find_problems(browser: webdriver.Chrome, address: str) -> Iterator[str]:
    """Open a page, and yield what is wrong with it."""
    browser.get(address)
    browser.execute_async_script(LOADED)
    if not browser.title or browser.title.startswith("Error response"):
        yield "no such page"
    yield from (f"broken picture {source}" for source in browser.execute_script(BROKEN_PICTURES))
    yield from (f"loaded from elsewhere: {name}" for name in browser.execute_script(FOREIGN))
    for entry in browser.get_log("browser"):
        if entry["level"] == "SEVERE":
            yield f"console: {entry['message']}"


def search_works(browser: webdriver.Chrome, address: str) -> bool:
    """Tell whether the search finds a function."""
    browser.get(f"{address}/search.html?q=reconstruct")
    browser.implicitly_wait(20)
    return bool(browser.find_elements("css selector", "#search-results li a"))


def main(site: Path) -> None:
    """Open all pages, print what is wrong, and exit with 1 if anything is."""
    pages = sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html"))
    pages = [page for page in pages if not page.startswith("_")]
    problems = []
    with serve(site) as address, open_browser() as browser:
        for page in pages:
            problems += [f"{page}: {p}" for p in find_problems(browser, f"{address}/{page}")]
        if not search_works(browser, address):
            problems.append("search.html: nothing found for 'reconstruct'")
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(pages)} pages opened, {len(problems)} problems")
    sys.exit(1 if problems or not pages else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
