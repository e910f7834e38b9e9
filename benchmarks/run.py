"""Measure what users wait for: python benchmarks/run.py [tables] [--quick]

Each table is a file of its name in this folder, which says what it compares. Contestants run in
new interpreters, in turn, on the same inputs; figures are medians, beside their spread.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from common import Settings

from xai4land.commands.tables import format_table

TABLES = (
    "imports",
    "planet",
    "graph",
    "speed",
    "memory",
    "workers",
    "ocean",
    "resume",
    "regrid",
    "catalogs",
    "seasonal",
)
PACKAGES = (
    "xai4land",
    "torch",
    "numpy",
    "xarray",
    "dask",
    "zarr",
    "monai",
    "xarray-regrid",
    "xesmf",
)


def main() -> int:
    """Make the tables that were asked for; returns how many could not be made."""
    from emulators import NETWORKS  # here: each contestant's interpreter reads this file, too

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help=f"among {', '.join(TABLES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a trial: small, once")
    parser.add_argument("--repeats", type=int, help="runs of each contestant (3)")
    parser.add_argument("--domain", type=int, help="pixels along a side of the region (4096)")
    parser.add_argument(
        "--networks", nargs="+", choices=list(NETWORKS), help="whose speed to measure (2M 8M)"
    )
    parser.add_argument("--folder", type=Path, help="where data lie meanwhile (a temporary one)")
    given = parser.parse_args()
    if unknown := sorted(set(given.tables) - set(TABLES)):
        parser.error(f"no table {', '.join(unknown)}; choose among {', '.join(TABLES)}")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        settings = Settings(
            Path(folder),
            given.domain or (512 if given.quick else 4096),
            given.repeats or (1 if given.quick else 3),
            tuple(given.networks or (["2M"] if given.quick else ["2M", "8M"])),
            given.quick,
        )
        print(f"{os.cpu_count()} cores; {', '.join(filter(None, map(_release, PACKAGES)))}")
        print(f"region of {settings.domain} x {settings.domain}, {settings.repeats} runs of each")
        failed = 0
        for name in given.tables or TABLES:
            module = import_module(name)
            print(f"\n{module.__doc__}", flush=True)
            try:
                print(format_table(module.table(settings)), flush=True)
            except Exception:  # the tables after it may still be made: they take hours
                traceback.print_exc()
                failed += 1
    return failed


def _release(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
