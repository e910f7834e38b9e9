"""The code of README and of the docs' pages runs as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import click
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = {
    "README": 1,
    "change": 1,
    "coupling": 3,
    "deployment": 4,
    "leaf-area": 1,
    "modis": 2,
    "stores": 1,
    "training": 1,
    "workflow-luh2": 3,
}
"""Blocks of Python that a comment marks as not run: other computers, or data that are not here."""
MARK = re.compile(r"<!-- not run: .{10,} -->")


class Block(NamedTuple):
    """A block of code: its first line's number on the page, counted from 0, and its lines."""

    language: str
    start: int
    lines: list[str]
    marked: bool


def blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines):
        if match := re.fullmatch(r"```(\w+)", line):
            code = list(takewhile(lambda text: text != "```", lines[number + 1 :]))
            before = lines[number - 1]
            yield Block(match[1], number + 1, code, bool(MARK.fullmatch(before)))


def script(page: Path) -> str:
    """Return the page's Python, each line at its number on the page."""
    lines = [""] * len(page.read_text().splitlines())
    for block in blocks(page):
        if block.language == "python" and not block.marked:
            lines[block.start : block.start + len(block.lines)] = block.lines
    return "\n".join(lines) + "\n"


def run_page(page: Path, folder: Path) -> str:
    """Run a page's Python in a fresh interpreter, offline, and return what it prints."""
    path = folder / f"{page.stem}_page.py"  # "logging.py" would hide Python's
    path.write_text(script(page))
    env = {**os.environ, "XAI4LAND_OFFLINE": "1", "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, path.name],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize(
    "page", [page for page in PAGES if script(page).strip()], ids=lambda page: page.stem
)
def test_a_pages_code_runs_in_its_order(page, tmp_path):
    printed = run_page(page, tmp_path)
    if page.name == "README.md":
        assert (tmp_path / "planet.zarr").is_dir()
        assert (tmp_path / "planet.png").stat().st_size > 10_000
        assert (tmp_path / "report.html").stat().st_size > 10_000
        table = next(block for block in blocks(page) if block.language == "text").lines
        for row in table[2:]:
            assert row[:40] in printed


def test_few_blocks_are_not_run_and_each_says_why():
    marked = {
        page.stem: count
        for page in PAGES
        if (count := sum(b.marked for b in blocks(page) if b.language == "python"))
    }
    assert marked == NOT_RUN


def test_the_readmes_main_job_is_short():
    code = next(block for block in blocks(PAGES[0]) if block.language == "python")
    assert len([line for line in code.lines if line.strip()]) <= 10


def commands(page: Path) -> Iterator[list[str]]:
    """Return the arguments of each call of the command line in a page's blocks of bash."""
    for block in blocks(page):
        if block.language == "bash":
            text = "\n".join(block.lines).replace("\\\n", " ")
            for match in re.findall(r"^xai4land (?:-\S+ )*(.+)$", text, re.M):
                yield shlex.split(match, comments=True)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(commands(page))], ids=lambda page: page.stem
)
def test_commands_on_the_pages_are_known(page, tmp_path, monkeypatch):
    from xai4land.cli import cli

    monkeypatch.chdir(tmp_path)
    given = (
        "states.nc",
        "static.nc",
        "truth.nc",
        "obs.nc",
        "prior.nc",
        "maps.nc",
        "observed.nc",
        "climate.nc",
        "coarse.nc",
    )
    for name in given:
        Path(name).touch()
    run = 'states = "states.nc"\ntruth = "truth.nc"\nout = "mine.safetensors"\n'
    Path("run.toml").write_text(run)
    for name, *arguments in commands(page):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name
        command.make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link
