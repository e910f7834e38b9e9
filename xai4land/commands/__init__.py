"""The engine's own commands, one group a file; heavy imports inside the functions."""
