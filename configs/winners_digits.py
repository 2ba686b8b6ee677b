"""The winner-take-all autoencoder on the 8x8 digits: each of 128 units learns from a tenth of a batch.

Command:   jaxae train configs/winners_digits.py
Expected:  test squared_error 0.662, summed over pixels
Time:      about 2 s of training, 14 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.WinnerTakeAllAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=128,
        lifetime=0.1,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
