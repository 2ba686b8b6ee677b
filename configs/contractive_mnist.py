"""The contractive autoencoder on MNIST: 1000 sigmoid units, its Jacobian in closed form.

Data:      jaxae data download mnist
Command:   jaxae train configs/contractive_mnist.py
Expected:  test squared_error 1.88, summed over pixels
Time:      about 49 s of training, 55 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.ContractiveAE(
        latent_dim=1000,
        reconstruction=jaxae.Bernoulli(),
        contraction_weight=0.1,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
