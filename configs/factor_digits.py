"""FactorVAE on the 8x8 digits: the total correlation by a discriminator.

Command:   jaxae train configs/factor_digits.py
Expected:  test elbo 19.5 nats (a density of pixels in [0, 1])
Time:      about 6 s of training, 18 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.FactorVAE(
        encoder=jaxae.MLP(widths=(256,)),
        decoder=jaxae.MLP(widths=(256,)),
        latent_dim=10,
        likelihood=jaxae.Gaussian(std=0.15),
        gamma=6.0,
        discriminator=jaxae.MLP(widths=(128, 128)),
        discriminator_optimizer=jaxae.Adam(learning_rate=1e-3, b1=0.5, b2=0.9),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
