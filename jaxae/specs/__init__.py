"""Specs: dataclasses that are pytrees with named fields, and their records as JSON."""
