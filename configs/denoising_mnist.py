"""The denoising autoencoder on MNIST: a quarter of the pixels masked, 1000 sigmoid units.

Data:      jaxae data download mnist
Command:   jaxae train configs/denoising_mnist.py
Expected:  test squared_error 5.22, summed over pixels
Time:      about 47 s of training, 53 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.DenoisingAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=1000,
        activation="sigmoid",
        reconstruction=jaxae.Bernoulli(),
        tied=True,
        corruption=jaxae.distributions.Masking(rate=0.25),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
