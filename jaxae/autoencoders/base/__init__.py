"""What members of the family share: pairs of nets, variational parts, corruptions, quantisers."""
