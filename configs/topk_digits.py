"""The k-sparse autoencoder on the 8x8 digits: 12 of 128 linear units are active.

Command:   jaxae train configs/topk_digits.py
Expected:  test squared_error 0.534, summed over pixels
Time:      about 3 s of training, 11 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.TopKAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=128,
        tied=True,
        k=12,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
