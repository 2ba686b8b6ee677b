"""The importance weighted autoencoder on binarised MNIST: 5 samples, doubly reparameterised gradients.

Data:      jaxae data download mnist
Command:   jaxae train configs/iwae_mnist.py
Expected:  test iwelbo_64 -94.8 nats
Time:      about 65 s of training, 78 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.IWAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=20,
        num_samples=5,
        estimator="dreg",
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
