"""The KL-sparse autoencoder on MNIST: 1000 sigmoid units, each with a mean activation of 0.05.

Data:      jaxae data download mnist
Command:   jaxae train configs/kl_sparse_mnist.py
Expected:  test squared_error 1.59, summed over pixels
Time:      about 44 s of training, 51 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.KLSparseAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=1000,
        reconstruction=jaxae.Bernoulli(),
        tied=True,
        rho=0.05,
        sparsity_weight=0.1,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
