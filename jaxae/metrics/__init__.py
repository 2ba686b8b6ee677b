"""Metrics of arrays: probes, disentanglement, image quality, two samples, densities and paths of codes."""
