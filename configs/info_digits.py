"""InfoVAE on the 8x8 digits: no rate in the loss, but the codes' distance to the prior.

Command:   jaxae train configs/info_digits.py
Expected:  test elbo -11.9 nats (a density of pixels in [0, 1])
Time:      about 5 s of training, 15 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.InfoVAE(
        encoder=jaxae.MLP(widths=(256,)),
        decoder=jaxae.MLP(widths=(256,)),
        latent_dim=10,
        likelihood=jaxae.Gaussian(std=0.15),
        rate_weight=0.0,
        mmd_weight=100.0,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
