"""The k-sparse autoencoder on MNIST: 25 of 1000 linear units are active in training, 75 in codes.

Data:      jaxae data download mnist
Command:   jaxae train configs/topk_mnist.py
Expected:  test squared_error 5.69, summed over pixels
Time:      about 112 s of training, 124 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.TopKAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=1000,
        tied=True,
        k=25,
        k_encode=75,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
