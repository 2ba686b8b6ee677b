"""InfoVAE on binarised MNIST: no rate in the loss, but the codes' distance to the prior.

Data:      jaxae data download mnist
Command:   jaxae train configs/info_mnist.py
Expected:  test elbo -165.6 nats
Time:      about 29 s of training, 41 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.InfoVAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=10,
        rate_weight=0.0,
        mmd_weight=1000.0,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
