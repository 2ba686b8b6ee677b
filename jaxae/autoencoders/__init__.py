"""Members of the family: one file for each paper, each a spec that fulfils `jaxae.protocols.Autoencoder`."""
