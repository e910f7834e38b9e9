"""An example plugin for xai4land."""
