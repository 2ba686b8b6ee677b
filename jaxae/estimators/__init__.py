"""A model, its variables and examples in, numbers out: bounds, log p(x), gaps, scores."""
