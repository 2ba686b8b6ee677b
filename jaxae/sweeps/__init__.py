"""Sweeps: many runs as one program, with a table and its statistics."""
