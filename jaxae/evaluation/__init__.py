"""A run in, rows of a table and figures out: groups of measures that apply, and how each was made."""
