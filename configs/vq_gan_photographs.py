"""The VQ-GAN on 32x32 patches of two photographs: 8x8 tokens of 512 codes, 576 bits an image.

Command:   jaxae train configs/vq_gan_photographs.py
Expected:  test squared_error 11.8, summed over pixels
Time:      about 149 s of training, 178 s in all, on two cores
"""

import jaxae

EPOCH = 312.0  # steps

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="photographs", num_validation=0),
    model=jaxae.VQGAN(
        encoder=jaxae.GridEncoder(channels=(32, 64), num_blocks=1, block_width=32),
        decoder=jaxae.GridDecoder(channels=(64, 32), num_blocks=1, block_width=32),
        grid=(8, 8),
        code_dim=16,
        quantiser=jaxae.EMACodebook(num_codes=512),
        discriminator=jaxae.PatchDiscriminator(channels=(32, 64)),
        discriminator_optimizer=jaxae.Adam(learning_rate=1e-3, b1=0.5, b2=0.9),
        discriminator_start=4 * EPOCH,
        generator_weight=jaxae.schedules.Piecewise(values=(0.0, 0.3), boundaries=(5 * EPOCH,)),
        perceptual=jaxae.RotationFeatures(channels=(8, 16)),
        perceptual_weight=3.0,
    ),
    optimizer=jaxae.Adam(learning_rate=jaxae.schedules.Cosine(start=2e-3, end=1e-4, steps=8 * EPOCH)),
    clip_norm=100.0,
    batch_size=32,
    epochs=8,
)
