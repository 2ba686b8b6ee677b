"""The denoising autoencoder on the 8x8 digits: a quarter of the pixels masked, 128 sigmoid units.

Command:   jaxae train configs/denoising_digits.py
Expected:  test squared_error 0.795, summed over pixels
Time:      about 2 s of training, 7 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.DenoisingAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=128,
        activation="sigmoid",
        tied=True,
        corruption=jaxae.distributions.Masking(rate=0.25),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
