"""A VQ-VAE of small scenes of two objects: 64 tokens of 128 codes for 32x32 pixels of three colours.

Command:   jaxae train configs/vq_vae_scenes.py
Expected:  test squared_error 1.16, summed over pixels
Time:      about 220 s in all, on two cores that others used too
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="scenes:70000", num_validation=1000),
    model=jaxae.VQVAE(
        encoder=jaxae.GridEncoder(channels=(32, 64), num_blocks=1),
        decoder=jaxae.GridDecoder(channels=(64, 32), num_blocks=1),
        grid=(8, 8),
        code_dim=16,
        quantiser=jaxae.EMACodebook(num_codes=128),
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=64,
    epochs=2,
)
