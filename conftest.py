"""Tests keep what they make out of the user's cache folder."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Workers inherit it from the first process, which has none of its own.
    if not hasattr(config, "workerinput"):
        os.environ["XAI4LAND_CACHE"] = tempfile.mkdtemp(prefix="xai4land-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["XAI4LAND_CACHE"], ignore_errors=True)
