"""The family: one file for one paper, each a spec that fulfils `jaxae.protocols.Autoencoder`."""
