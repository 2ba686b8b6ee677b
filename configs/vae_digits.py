"""A Gaussian VAE on scikit-learn's 8x8 digits, binarised anew at every presentation.

Command:   jaxae train configs/vae_digits.py
Expected:  TODO
Time:      TODO
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.Data(name="digits", binarize="dynamic"),
    autoencoder=jaxae.VAE(encoder=jaxae.MLP(widths=(256,)), decoder=jaxae.MLP(widths=(256,)), latent_dim=8),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
)
