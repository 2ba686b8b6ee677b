"""Hinton & Salakhutdinov's (2006) deep autoencoder on MNIST, without their pretraining: 784-1000-500-250-30.

Data:      jaxae data download mnist
Command:   jaxae train configs/ae_mnist.py
Expected:  test squared_error 4.21, summed over pixels
Time:      about 110 s of training, 118 s in all, on two cores

`--model.latent_dim 2` is the paper's map of digits in the plane.
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.AE(
        encoder=jaxae.MLP(widths=(1000, 500, 250)),
        decoder=jaxae.MLP(widths=(250, 500, 1000)),
        latent_dim=30,
        reconstruction=jaxae.SquaredError(link="sigmoid"),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
