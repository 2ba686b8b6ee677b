"""The plain autoencoder on the 8x8 digits: squared error, summed over pixels.

Command:   jaxae train configs/ae_digits.py
Expected:  test squared error 0.67, summed over pixels, 0.66 to 0.68 over seeds 0, 1, 2
Time:      about 2 s of training, 10 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.Data(name="digits"),
    autoencoder=jaxae.AE(encoder=jaxae.MLP(widths=(256,)), decoder=jaxae.MLP(widths=(256,)), latent_dim=10),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=50,
)
