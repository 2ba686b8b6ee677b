"""The conditional VAE on binarised MNIST: encoder and decoder also get the label.

Data:      jaxae data download mnist
Command:   jaxae train configs/conditional_mnist.py
Expected:  test elbo -96.3 nats
Time:      about 29 s of training, 40 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.VAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        latent_dim=20,
        num_classes=10,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
