"""The VAE with two stochastic layers on binarised MNIST: 20 and 10 dimensions.

Data:      jaxae data download mnist
Command:   jaxae train configs/two_layer_mnist.py
Expected:  test iwelbo_64 -93.1 nats
Time:      about 28 s of training, 41 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", binarize="dynamic", num_validation=0),
    model=jaxae.TwoLayerVAE(
        encoder=jaxae.MLP(widths=(400,)),
        decoder=jaxae.MLP(widths=(400,)),
        top_encoder=jaxae.MLP(widths=(100,)),
        top_decoder=jaxae.MLP(widths=(100,)),
        latent_dim=20,
        top_latent_dim=10,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=20,
)
