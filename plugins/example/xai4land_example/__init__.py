"""An example plugin for xai4land."""

from pathlib import Path

STATIONS = Path(__file__).with_name("stations.json")
"""A catalog of one small file, which lies beside it."""
