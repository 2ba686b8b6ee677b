"""The Wasserstein autoencoder on MNIST: deterministic codes matched to the prior.

Data:      jaxae data download mnist
Command:   jaxae train configs/wae_mnist.py
Expected:  test squared_error 14.0, summed over pixels
Time:      about 24 s of training, 34 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.WAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=10,
        mmd_weight=100.0,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
