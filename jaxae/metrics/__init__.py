"""Arrays in, numbers out: probes, disentanglement, images, two samples, densities and paths of codes."""
