"""The beta-TC-VAE on binarised MNIST: the total correlation weighs six times.

Data:      jaxae data download mnist
Command:   jaxae train configs/beta_tc_mnist.py
Expected:  test elbo -119.2 nats
Time:      about 33 s of training, 45 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.BetaTCVAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=20,
        beta=6.0,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
