"""A page on this machine in which a trained decoder runs live: sliders, a map of codes, paths, tokens."""
