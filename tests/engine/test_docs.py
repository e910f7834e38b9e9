"""The README's code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import xai4land

ROOT = Path(__file__).parents[2]


def test_the_readmes_main_job_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "planet.zarr").is_dir()
    assert (tmp_path / "planet.png").stat().st_size > 10_000
    assert "emulator" in capsys.readouterr().out


@pytest.mark.parametrize(
    "page",
    [*sorted((ROOT / "docs").glob("workflow-*.md")), ROOT / "docs" / "catalogs.md"],
    ids=lambda page: page.stem,
)
def test_workflows_run_on_the_sample_catalog(page, tmp_path, monkeypatch, capsys):
    pytest.importorskip("intake_esm")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
    with xai4land.set_options(offline=True):
        exec(compile(code, page.name, "exec"), {})
    assert capsys.readouterr().out


def test_commands_in_workflows_are_known():
    from xai4land.cli import cli

    page = (ROOT / "docs" / "workflow-offline.md").read_text().replace("\\\n", "")
    commands = re.findall(r"^xai4land (.*?)(?:  #.*)?$", page, re.M)
    assert len(commands) == 3
    for command in commands:
        name, *arguments = command.split()
        cli.commands[name].make_context(name, arguments, resilient_parsing=False)


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"])
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link
