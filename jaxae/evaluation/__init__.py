"""Evaluation of a trained run: which measures apply, their rows for a table, and their figures.

`measure_groups.measure` is the entry point (`jaxae.measure`). Each module `*_measures` holds one group or
more; a group yields parts (`attempts.Part`), and a part computes rows (`subject.Row`).
"""
