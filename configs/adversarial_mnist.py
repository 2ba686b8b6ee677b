"""The adversarial autoencoder on MNIST: a discriminator keeps codes near the prior.

Data:      jaxae data download mnist
Command:   jaxae train configs/adversarial_mnist.py
Expected:  test squared_error 14.3, summed over pixels
Time:      about 28 s of training, 35 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.AdversarialAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=10,
        discriminator=jaxae.MLP(widths=(256, 256)),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
