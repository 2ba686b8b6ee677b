"""FactorVAE on binarised MNIST: the total correlation by a discriminator.

Data:      jaxae data download mnist
Command:   jaxae train configs/factor_mnist.py
Expected:  test elbo -108.8 nats
Time:      about 37 s of training, 52 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.FactorVAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=20,
        gamma=6.0,
        discriminator=jaxae.MLP(widths=(256, 256)),
        discriminator_optimizer=jaxae.Adam(learning_rate=1e-3, b1=0.5, b2=0.9),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
