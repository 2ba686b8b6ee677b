"""Figures of runs and of measures, as PNG files by matplotlib."""
