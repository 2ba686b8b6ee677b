"""The VQ-VAE on MNIST: 7x7 tokens of 512 codes, moving averages, dead codes revived.

Data:      jaxae data download mnist
Command:   jaxae train configs/vq_vae_mnist.py
Expected:  test squared_error 2.36, summed over pixels
Time:      about 126 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.VQVAE(
        encoder=jaxae.GridEncoder(channels=(16, 32), num_blocks=1, block_width=16),
        decoder=jaxae.GridDecoder(channels=(32, 16), num_blocks=1, block_width=16),
        grid=(7, 7),
        code_dim=16,
        quantiser=jaxae.EMACodebook(num_codes=512),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=6,
)
