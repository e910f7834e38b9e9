"""Check files with the CF checker."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path


def complaints(path: Path, criteria: str = "strict") -> str:
    """Return the problems that the newest CF checker finds in a NetCDF file; empty if none.

    ``"lenient"`` leaves out recommendations. The checker runs in a process of its own, since its
    libraries may crash when a process ends.
    """
    return _checker().submit(_complaints, path, criteria).result()


@cache
def _checker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _complaints(path: Path, criteria: str) -> str:
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    suite = CheckSuite()
    suite.load_all_available_checkers()
    newest = max(
        (name for name in suite.checkers if name.startswith("cf:1.")),
        key=lambda name: int(name.split(".")[1]),
    )
    report = path.with_suffix(".txt")
    passed, broken = ComplianceChecker.run_checker(
        str(path), [newest], 0, criteria, output_filename=str(report), output_format="text"
    )
    return "" if passed and not broken else report.read_text()
