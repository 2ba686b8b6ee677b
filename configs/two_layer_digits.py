"""The VAE with two stochastic layers on the 8x8 digits: 10 and 5 dimensions.

Command:   jaxae train configs/two_layer_digits.py
Expected:  test iwelbo_64 31.5 nats (a density of pixels in [0, 1])
Time:      about 5 s of training, 16 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.TwoLayerVAE(
        encoder=jaxae.MLP(widths=(256,)),
        decoder=jaxae.MLP(widths=(256,)),
        latent_dim=10,
        top_encoder=jaxae.MLP(widths=(64,)),
        top_decoder=jaxae.MLP(widths=(64,)),
        top_latent_dim=5,
        likelihood=jaxae.Gaussian(std=0.15),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
