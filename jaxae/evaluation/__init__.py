"""Measures, one file for one family of them; each takes variables and examples, and returns numbers."""
