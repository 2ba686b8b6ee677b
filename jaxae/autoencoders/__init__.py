"""The family: one file for one paper, each a spec that fulfils `jaxae.types.Autoencoder`."""
