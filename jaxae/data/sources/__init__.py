"""Readers of named data and of files: one file for one source."""
