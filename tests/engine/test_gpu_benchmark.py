"""The benchmark of GPUs runs, on the CPU, and says where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = """
import torch
torch.set_num_threads(1)
from gpu import Sizes, measure_device
rows = measure_device("cpu", Sizes(("tiny",), 32, 4, 3))
value = dict(zip(rows.what, rows.value))
assert value["float32: largest difference from CPU"] == 0, value
assert 0 < value["bfloat16: largest difference from CPU"] < 0.1, value
assert value["batch after memory ran out twice"] == 1, value
assert all(number > 0 for what, number in value.items() if "a second" in what or "Mpx" in what)
"""
SKIPPED = """
from pathlib import Path
from common import Settings
from gpu import table
print(table(Settings(Path("."), 512, 1, ("2M",), True)).value[0])
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_measurements_run_on_any_device():
    run(TINY)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    assert "there is no CUDA device" in run(SKIPPED)
