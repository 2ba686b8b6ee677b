"""Numbers in, files out: figures never see a model."""
