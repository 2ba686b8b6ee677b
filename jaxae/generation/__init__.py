"""What a trained autoencoder makes: paths through its codes, and densities over them to draw from."""
