"""The importance weighted autoencoder on the 8x8 digits: 5 samples, doubly reparameterised gradients.

Command:   jaxae train configs/iwae_digits.py
Expected:  test iwelbo_64 30.0 nats (a density of pixels in [0, 1])
Time:      about 5 s of training, 14 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.IWAE(
        encoder=jaxae.MLP(widths=(256,)),
        decoder=jaxae.MLP(widths=(256,)),
        latent_dim=10,
        likelihood=jaxae.Gaussian(std=0.15),
        num_samples=5,
        estimator="dreg",
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
