"""Emulators that come with the package, by name."""

from pathlib import Path

__all__ = ["BUNDLED"]

BUNDLED = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.safetensors"))}
