"""Sweeps: train many runs as one compiled program, and compare them in tables with statistics."""
