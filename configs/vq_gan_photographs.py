"""The VQ-GAN on 32x32 patches of two photographs: 8x8 tokens of 64 codes, 384 bits an image.

Command:   jaxae train configs/vq_gan_photographs.py
Expected:  test squared_error 24.1, summed over pixels
Time:      about 73 s of training, 120 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.Data(name="photographs", num_validation=0),
    autoencoder=jaxae.VQGAN(
        encoder=jaxae.GridEncoder(channels=(16, 32), num_blocks=1, block_width=16),
        decoder=jaxae.GridDecoder(channels=(32, 16), num_blocks=1, block_width=16),
        grid=(8, 8),
        code_dim=16,
        quantiser=jaxae.MovingCodebook(num_codes=64, decay=0.95),
        discriminator=jaxae.PatchDiscriminator(channels=(16, 32)),
        discriminator_optimizer=jaxae.Adam(learning_rate=2e-4, b1=0.5, b2=0.9),
        discriminator_start=300.0,
        adaptive=False,
        deception_weight=12.0,
        perceptual=jaxae.RotationFeatures(channels=(8, 16)),
        perceptual_weight=3.0,
    ),
    optimizer=jaxae.Adam(learning_rate=jaxae.Cosine(start=2e-3, end=1e-4, steps=1248.0)),
    batch_size=32,
    epochs=4,
)
