"""What is learned over codes: models of the tokens of a discrete autoencoder, and sampling from them."""
