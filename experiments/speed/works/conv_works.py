"""Works e and f: convolutional VAEs and VQ-VAEs on images of 28x28, 32x32 and 64x64 pixels."""

import itertools
from typing import Any

import jaxae
from works.flops import Layer, conv, dense, upsampling
from works.work import Peer, Variant, Work

TORCH = ("fused", "channels_last", "compile")
VQ = ("vqp", "fused", "channels_last")


def vae_layers(
    batch: int, side: int, channels: tuple[int, ...], image: int, latent: int = 20
) -> tuple[Layer, ...]:
    """Return the layers of ConvEncoder and ConvDecoder with a dense layer of 256 units."""
    sizes, layers = (image, *channels), list[Layer]()
    for number, (inner, outer) in enumerate(itertools.pairwise(sizes)):
        side //= 2
        layers += conv(batch, side, 4, inner, outer, first=number == 0)
    features = side**2 * channels[-1]
    layers += dense(batch, features, 256, 2 * latent)
    layers += dense(batch, latent, 256, features)
    for outer, inner in reversed(list(itertools.pairwise(sizes))):
        layers += upsampling(batch, side, inner, outer)
        side *= 2
    return tuple(layers)


def conv_vae(side: int, channels: tuple[int, ...], image: int, rows: int) -> Work:
    """Return the VAE over jaxae's convolutional nets."""
    batch, grey = 100, image == 1
    sizes = {"side": side, "channels": channels, "image": image, "latent": 20}
    variant = Variant(
        model=lambda: jaxae.VAE(
            encoder=jaxae.ConvEncoder(channels=channels),
            decoder=jaxae.ConvDecoder(channels=channels[::-1]),
            latent_dim=20,
        ),
        torch=Peer("torch_conv", "ConvVAE", sizes),
        flax=Peer("flax_models", "ConvVAE", sizes),
        layers=vae_layers(batch, side, channels, image),
    )
    likelihood = (
        "Bernoulli likelihood of MNIST, binarised anew at every presentation"
        if grey
        else "cross-entropy of the grey values of synthetic images"
    )
    return Work(
        name=f"e-conv-{side}",
        title=f"Convolutional VAE {side}x{side}x{image}, channels {', '.join(map(str, channels))}, batch 100",
        what=(
            "4x4 convolutions of stride 2, a dense layer of 256 units, 20 latent dimensions, mirrored; ReLU, "
            f"{likelihood}; Adam at 1e-3."
        ),
        variants={"": variant},
        contenders=(*TORCH, "flax", "jaxae"),
        data="mnist" if grey else "blobs64",
        rows=rows,
        batch_size=batch,
        binarize=grey,
        images=True,
        product=(batch * (side // 4) ** 2, 16 * channels[0], channels[1]),
        tolerance=0.1,  # after a few dozen steps
    )


def residual_layers(batch: int, width: int, latent: int) -> tuple[Layer, ...]:
    """Return the layers of the residual VAE on 32x32x3: widths `width` at 16x16 and 2 `width` at 8x8."""
    blocks = {16: conv(batch, 16, 3, width, width) * 4, 8: conv(batch, 8, 3, 2 * width, 2 * width) * 4}
    features = 64 * 2 * width
    return (
        *conv(batch, 16, 4, 3, width, first=True),
        *blocks[16],
        *conv(batch, 8, 4, width, 2 * width),
        *blocks[8],
        *dense(batch, features, 2 * latent),
        *dense(batch, latent, features),
        *blocks[8],
        *upsampling(batch, 8, 2 * width, width),
        *blocks[16],
        *upsampling(batch, 16, width, 3),
    )


def residual() -> Work:
    """Return the VAE with residual blocks of two 3x3 convolutions."""
    batch, width, latent = 100, 32, 64

    def model() -> Any:
        from residual_nets import ResidualDecoder, ResidualEncoder

        nets: dict[str, Any] = {"encoder": ResidualEncoder(width), "decoder": ResidualDecoder(width)}
        return jaxae.VAE(**nets, latent_dim=latent)

    variant = Variant(
        model=model,
        torch=Peer("torch_conv", "ResidualVAE", {"width": width, "latent": latent}),
        flax=Peer("flax_models", "ResidualVAE", {"width": width, "latent": latent}),
        layers=residual_layers(batch, width, latent),
    )
    return Work(
        name="e-residual-32",
        title="Residual VAE 32x32x3, two blocks at 16x16 (32 channels) and two at 8x8 (64), batch 100",
        what=(
            "A 4x4 convolution of stride 2, then two residual blocks of two 3x3 convolutions each, twice; "
            "one dense layer to 64 latent dimensions; mirrored. ReLU, cross-entropy of the grey values of "
            "synthetic images, Adam at 1e-3."
        ),
        variants={"": variant},
        contenders=(*TORCH, "flax", "jaxae"),
        data="blobs32",
        rows=500,
        batch_size=batch,
        images=True,
        product=(batch * 256, 9 * width, width),
        tolerance=0.1,
    )


def vq_layers(
    batch: int, side: int, channels: tuple[int, int], image: int, width: int, blocks: int, dim: int
) -> tuple[Layer, ...]:
    """Return the layers of GridEncoder and GridDecoder, and the products with a codebook of 512 codes."""
    first, last = channels
    grid = side // 4
    block = (*conv(batch, grid, 3, last, width), *conv(batch, grid, 1, width, last))
    # The distances to all codes are one product, without any gradient.
    distances = Layer(2 * batch * grid**2 * dim * 512, products=1)
    return (
        *conv(batch, side // 2, 4, image, first, first=True),
        *conv(batch, grid, 4, first, last),
        *conv(batch, grid, 3, last, last),
        *block * blocks,
        *conv(batch, grid, 1, last, dim),
        distances,
        *conv(batch, grid, 3, dim, last),
        *block * blocks,
        *upsampling(batch, grid, last, first),
        *upsampling(batch, side // 2, first, image),
    )


def vq_vae(side: int, channels: tuple[int, int], image: int, width: int, blocks: int, dim: int) -> Work:
    """Return the VQ-VAE with 512 codes by moving averages, on a grid of a quarter of the side."""
    batch, grid = (100, 7) if image == 1 else (50, side // 4)
    rows = 1_000 if image == 1 else 250
    sizes = {"side": side, "channels": channels, "image": image, "width": width, "blocks": blocks, "dim": dim}
    variant = Variant(
        model=lambda: jaxae.VQVAE(
            encoder=jaxae.GridEncoder(channels=channels, num_blocks=blocks, block_width=width),
            decoder=jaxae.GridDecoder(channels=channels[::-1], num_blocks=blocks, block_width=width),
            grid=(grid, grid),
            code_dim=dim,
            quantiser=jaxae.EMACodebook(num_codes=512),
        ),
        torch=Peer("torch_vq", "VQVAE", sizes),
        layers=vq_layers(batch, side, channels, image, width, blocks, dim),
    )
    return Work(
        name=f"f-vq-{side}",
        title=f"VQ-VAE {side}x{side}x{image}, 512 codes of {dim} numbers on {grid}x{grid}, batch {batch}",
        what=(
            f"Channels {channels[0]}, {channels[1]}, {blocks} residual block(s) of width {width}; squared "
            "error summed over pixels plus 0.25 times the commitment, codes by moving averages (0.99), "
            "unused codes replaced by vectors of the batch; Adam at 1e-3. PyTorch: by "
            "vector-quantize-pytorch, and by a plain quantiser with jaxae's rule."
        ),
        variants={"": variant},
        contenders=(*VQ, "jaxae"),
        data="mnist" if image == 1 else "blobs64",
        rows=rows,
        batch_size=batch,
        images=True,
        product=(batch * grid**2, 16 * channels[0], channels[1]),
        tolerance=0.25,  # the first epochs of a codebook depend on the codes that it starts with
    )


WORKS = (
    conv_vae(28, (32, 64), 1, rows=1_000),
    conv_vae(64, (32, 64, 128, 256), 3, rows=300),
    residual(),
    vq_vae(28, (16, 32), 1, width=16, blocks=1, dim=16),
    vq_vae(64, (32, 64), 3, width=32, blocks=2, dim=32),
)
