"""Logs and warnings: quiet unless asked, and each can be named by a filter."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

import xai4land
from xai4land import errors
from xai4land.cli import cli, main
from xai4land.inference.forward import Forward

ROOT = Path(__file__).parents[2]
PACKAGES = ("xai4land", "plugins/xai4land_land", "plugins/xai4land_seasonal")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def find_calls(path: Path, module: str, function: str) -> list[ast.Call]:
    """Return the calls of ``module.function`` in a file."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) == (module, function)
    ]


def test_each_warning_has_a_category_of_ours():
    calls = [(path, call) for path in SOURCES for call in find_calls(path, "warnings", "warn")]
    assert len(calls) >= 10
    for path, call in calls:
        assert len(call.args) == 2, f"{path}:{call.lineno} has no category"
        category = getattr(errors, ast.unparse(call.args[1]), None)
        assert category is not None, f"{path}:{call.lineno}"
        assert issubclass(category, xai4land.Xai4landWarning)


def test_loggers_are_named_after_their_modules():
    calls = [call for path in SOURCES for call in find_calls(path, "logging", "getLogger")]
    assert len(calls) > 5
    own = {ast.unparse(call.args[0]) for call in calls}
    assert own <= {"__name__", "'xai4land'"}


def test_python_shows_no_log_unless_asked(caplog):
    code = "import xai4land; xai4land.load_emulator('sample-landcover')"
    quiet = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert quiet.stderr == quiet.stdout == ""
    with caplog.at_level(logging.INFO, "xai4land"):
        xai4land.load_emulator("sample-landcover")
    assert "load the emulator" in caplog.text
    assert caplog.records[0].name == "xai4land.emulator.names"


def test_verbose_commands_log_to_standard_error():
    command = ["emulators", "pull", "sample-landcover"]
    quiet = CliRunner().invoke(cli, command)
    loud = CliRunner().invoke(cli, ["--verbose", *command])
    assert quiet.stderr == ""
    assert "xai4land.emulator.names: load the emulator" in loud.stderr
    assert loud.stdout == quiet.stdout
    assert logging.getLogger("xai4land").level == logging.NOTSET  # as before


def test_batches_that_are_halved_are_logged(caplog):
    def network(x, codes):
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x

    class Features:
        continuous, codes = torch.zeros(1, 4, 4), torch.zeros(0, 4, 4, dtype=torch.long)

    forward = Forward(network, torch.device("cpu"), torch.float32, 8)
    with caplog.at_level(logging.INFO, "xai4land"):
        assert len(forward(range(8), lambda item: Features)) == 8
    assert [record.args for record in caplog.records] == [(4,), (2,)]


@pytest.fixture
def warning_command():
    """A command that warns, as ours do and as other libraries do."""

    @click.command("warn-of-both")
    @click.option("--land")
    def command(land):
        warnings.warn("land= has no effect", xai4land.InputWarning, stacklevel=1)
        warnings.warn("something else", FutureWarning, stacklevel=1)

    cli.add_command(command)
    yield
    del cli.commands["warn-of-both"]


@pytest.mark.usefixtures("warning_command")
def test_a_command_shows_a_warning_as_a_line_and_names_the_option(capsys):
    with pytest.warns(FutureWarning, match="something else"):  # left to Python
        main(["warn-of-both"])
    assert capsys.readouterr().err == "warning: --land has no effect\n"
