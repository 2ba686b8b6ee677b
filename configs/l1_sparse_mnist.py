"""The L1-sparse autoencoder on MNIST: 1000 rectified units, softplus reconstruction.

Data:      jaxae data download mnist
Command:   jaxae train configs/l1_sparse_mnist.py
Expected:  test squared_error 3.83, summed over pixels
Time:      about 44 s of training, 52 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.L1SparseAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=1000,
        tied=True,
        sparsity_weight=0.05,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
