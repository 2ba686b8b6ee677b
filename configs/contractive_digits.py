"""The contractive autoencoder on the 8x8 digits: 128 sigmoid units, its Jacobian in closed form.

Command:   jaxae train configs/contractive_digits.py
Expected:  test squared_error 0.234, summed over pixels
Time:      about 1 s of training, 7 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.ContractiveAE(
        latent_dim=128,
        contraction_weight=0.1,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=200,
    checkpoint_every=100,
)
