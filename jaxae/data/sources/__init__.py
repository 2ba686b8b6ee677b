"""Readers of named data sets and of files, one module for each source."""
