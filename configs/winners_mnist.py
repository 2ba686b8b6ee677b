"""The winner-take-all autoencoder on MNIST: each of 2000 units learns from a twentieth of a batch.

Data:      jaxae data download mnist
Command:   jaxae train configs/winners_mnist.py
Expected:  test squared_error 3.49, summed over pixels
Time:      about 265 s of training, 283 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.WinnerTakeAllAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=2000,
        lifetime=0.05,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
