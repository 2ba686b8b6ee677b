"""The beta-TC-VAE on the 8x8 digits: the total correlation weighs six times.

Command:   jaxae train configs/beta_tc_digits.py
Expected:  test elbo 19.0 nats (a density of pixels in [0, 1])
Time:      about 5 s of training, 13 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.BetaTCVAE(
        encoder=jaxae.MLP(widths=(256,)),
        decoder=jaxae.MLP(widths=(256,)),
        latent_dim=10,
        likelihood=jaxae.Gaussian(std=0.15),
        beta=6.0,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
