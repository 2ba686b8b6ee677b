"""The VAE 784-400-20 on dynamically binarised MNIST, the size of the well-known examples.

Data:      jaxae data download mnist
Command:   jaxae train configs/vae_mnist.py
Expected:  test elbo -100.7 nats
Time:      about 28 s of training, 40 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.VAE(latent_dim=20),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
