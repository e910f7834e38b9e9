"""The site has a page for what it should; `make docs` builds it, `make docs-test` opens it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

import xai4land
from xai4land.cli import cli

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = [
    "xai4land",
    "xai4land.catalogs",
    "xai4land.coupling",
    "xai4land.emulator",
    "xai4land_land",
    "xai4land_seasonal",
]
EXAMPLES = sorted(DOCS.glob("gallery/*/*.py"))
MAX_CODE_LINES = 40


@pytest.fixture
def site(monkeypatch):
    """Let modules that build the site be imported."""
    monkeypatch.syspath_prepend(DOCS / "site")


def list_documented(page: Path) -> Iterator[Any]:
    """Yield the objects that a page of the reference lists."""
    module = None
    for line in page.read_text().splitlines():
        if match := re.fullmatch(r"\.\. (currentmodule|automodule):: (\S+)", line):
            module = import_module(match[2])
            if match[1] == "automodule":
                yield from (getattr(module, name) for name in module.__all__)
        elif match := re.fullmatch(r"   (\w+)", line):
            yield getattr(module, match[1])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_and_class_is_on_a_page_of_the_reference(package):
    pages = sorted((DOCS / "reference").glob("*.rst"))
    documented = {id(found) for page in pages for found in list_documented(page)}
    module = import_module(package)
    public = {name: getattr(module, name) for name in module.__all__}
    missing = [
        name
        for name, found in public.items()
        if (inspect.isroutine(found) or inspect.isclass(found)) and id(found) not in documented
    ]
    assert not missing, f"name these in docs/reference/*.rst, under {package}"


def test_the_page_of_commands_has_those_of_plugins(site):
    page = import_module("command_line").cli
    assert set(page.commands) == set(cli.list_commands(click.Context(cli))) >= {"reconstruct"}


def test_every_page_is_in_the_navigation():
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    listed = set()
    for path in [*DOCS.glob("*.md"), DOCS / "reference/index.md"]:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text(), re.S):
            listed |= {line.removeprefix("../") for line in block.splitlines()}
    assert pages <= listed


def count_code_lines(script: Path) -> int:
    """Count the lines of a script that are neither empty, nor comments, nor its title."""
    text = script.read_text()
    title = ast.get_docstring(ast.parse(text), clean=False) or ""
    lines = (line.strip() for line in text.replace(f'"""{title}"""', "").splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short_and_have_a_title(script):
    title, underline, *_ = ast.get_docstring(ast.parse(script.read_text())).splitlines()
    assert underline == "=" * len(title)
    assert count_code_lines(script) <= MAX_CODE_LINES


def test_the_gallery_has_an_order_for_all_examples():
    tree = ast.parse((DOCS / "site/gallery_pages.py").read_text())
    [order] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ORDER"
    ]
    assert sorted(order) == sorted(path.name for path in EXAMPLES)


def test_each_bundled_emulator_has_a_page_of_its_card(site):
    pages = import_module("emulator_pages")
    table = xai4land.emulators()
    for name in table.name[table.source == "bundled"]:
        emulator = xai4land.load_emulator(name)
        text = pages.make_page(emulator)
        assert emulator.sha256 in text
        assert emulator.card.licence in text
        inputs = getattr(emulator.card, "inputs", ()) or emulator.card.predictors
        assert all(f"| `{spec.name}` |" in text for spec in inputs)
        assert text.count("\n## ") >= 3
        for picture in re.findall(r"\]\(\.\./(images/\S+\.png)\)", text):
            assert (DOCS / picture).is_file()


def test_links_of_the_emulators_pages_lead_somewhere(site):
    pages = import_module("emulator_pages")
    bundled = set(xai4land.emulators().query("source == 'bundled'").name)
    assert set(pages.PAGES) <= bundled
    assert set(pages.PICTURES) <= bundled
    assert all((DOCS / page).is_file() for page, _ in pages.PAGES.values())
