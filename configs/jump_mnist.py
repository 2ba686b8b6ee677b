"""The JumpReLU sparse autoencoder on MNIST: 1000 units with learned thresholds.

Data:      jaxae data download mnist
Command:   jaxae train configs/jump_mnist.py
Expected:  test squared_error 4.06, summed over pixels
Time:      about 40 s of training, 47 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.JumpReLUAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=1000,
        tied=True,
        sparsity_weight=0.1,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
