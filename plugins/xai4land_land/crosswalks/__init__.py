"""Cross-walks between legends, and what needs a climate to be told apart."""
