"""Estimators: from a model, its variables and examples to numbers (bounds, log p(x), gaps, scores)."""
