"""The VQ-GAN on the 8x8 digits: four tokens of 32 codes, a discriminator of 4x4 patches.

Command:   jaxae train configs/vq_gan_digits.py
Expected:  test squared_error 1.08, summed over pixels
Time:      about 26 s of training, 68 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="digits", num_validation=0),
    model=jaxae.VQGAN(
        encoder=jaxae.GridEncoder(channels=(16, 32), num_blocks=1, block_width=16),
        decoder=jaxae.GridDecoder(channels=(32, 16), num_blocks=1, block_width=16),
        grid=(2, 2),
        code_dim=8,
        quantiser=jaxae.EMACodebook(num_codes=64, decay=0.95),
        discriminator=jaxae.PatchDiscriminator(channels=(16,)),
        patches=(4, 4),
        discriminator_start=500.0,
        generator_weight=0.3,
        perceptual=jaxae.RotationFeatures(channels=(8, 16)),
    ),
    optimizer=jaxae.Adam(learning_rate=2e-3),
    batch_size=64,
    epochs=80,
    checkpoint_every=40,
)
