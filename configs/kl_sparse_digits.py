"""The KL-sparse autoencoder on the 8x8 digits: 128 sigmoid units, each with a mean activation of 0.05.

Command:   jaxae train configs/kl_sparse_digits.py
Expected:  test squared_error 0.233, summed over pixels
Time:      about 2 s of training, 9 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.KLSparseAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=128,
        tied=True,
        rho=0.05,
        sparsity_weight=0.1,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
