"""Parts that the members share: pairs of nets, variational parts, quantisers, perceptual losses."""
