"""Measure speed and memory: ``python benchmarks/run.py [tables] [--quick]``.

Each table is a module in this folder, whose docstring says what it compares. Contestants run in new
interpreters, in turn, on the same inputs; figures are medians with their spread.
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
    "areas",
    "graph",
    "speed",
    "memory",
    "workers",
    "ocean",
    "resume",
    "rollout",
    "regrid",
    "catalogs",
    "seasonal",
    "grids",
    "verification",
    "training",
    "coupling",
    "bundled",
    "gpu",
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
    """Make tables, and return how many failed."""
    from emulators import NETWORKS  # here, since each contestant's interpreter imports this module

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help=f"among {', '.join(TABLES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each")
    parser.add_argument("--repeats", type=int, help="runs of each contestant (3)")
    parser.add_argument("--domain", type=int, help="pixels along a side of the region (4096)")
    parser.add_argument(
        "--networks", nargs="+", choices=list(NETWORKS), help="networks of the table speed (2M 8M)"
    )
    parser.add_argument(
        "--write", action="store_true", help="keep speeds of bundled emulators beside their files"
    )
    parser.add_argument("--folder", type=Path, help="folder for temporary data")
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
            given.write,
        )
        print(f"{os.cpu_count()} cores; {', '.join(filter(None, map(_release, PACKAGES)))}")
        print(f"region of {settings.domain} x {settings.domain}, {settings.repeats} runs of each")
        failed = 0
        for name in given.tables or TABLES:
            module = import_module(name)
            print(f"\n{module.__doc__}", flush=True)
            try:
                print(format_table(module.table(settings)), flush=True)
            except Exception:  # go on, since tables take hours
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
