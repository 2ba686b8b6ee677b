"""The VQ-VAE on the 8x8 digits: 4x4 tokens of 512 codes, moving averages, dead codes revived.

Command:   jaxae train configs/vq_vae_digits.py
Expected:  test squared_error 0.365, summed over pixels
Time:      about 9 s of training, 24 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits"),
    model=jaxae.VQVAE(
        encoder=jaxae.GridEncoder(channels=(32,), num_blocks=1, block_width=16),
        decoder=jaxae.GridDecoder(channels=(32,), num_blocks=1, block_width=16),
        grid=(4, 4),
        code_dim=8,
        quantiser=jaxae.EMACodebook(num_codes=512),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=40,
    checkpoint_every=20,
)
