"""Work g: sweeps of 1 to 256 runs of a tiny, a small and a convolutional VAE."""

from typing import Any

import jaxae
from works.conv_works import vae_layers as conv_layers
from works.flops import dense
from works.mlp_works import vae_layers
from works.work import Peer, Variant, Work

LANES = 1, 4, 16, 64, 256
WHAT = (
    "{lanes} run(s) of one structure with different seeds, each with its own order of the rows; {data}; "
    "Adam at 1e-3. Figures are for one step of one run. jaxae: the layout that `jaxae sweep` chooses, at "
    "most 64 runs a device at a time. PyTorch and pythae one after another: {most} runs are measured, since "
    "each further run costs the same."
)
MOST_SINGLE = 4  # runs of contenders that train one run after another


def tiny(lanes: int) -> Work:
    """Return a sweep of the VAE 64-32-2 on the digits."""
    sizes = {"inputs": 64, "widths": (32,), "latent": 2}
    variant = Variant(
        model=lambda: jaxae.VAE(
            encoder=jaxae.MLP(widths=(32,)), decoder=jaxae.MLP(widths=(32,)), latent_dim=2
        ),
        torch=Peer("torch_mlp", "VAE", sizes),
        layers=(*dense(100, 64, 32, 4, first=True), *dense(100, 2, 32, 64)),
    )
    pythae = ("pythae_lanes",) if lanes == 64 else ()
    return Work(
        name=f"g-tiny-{lanes}",
        title=f"Sweep of {lanes} VAEs 64-32-2 on the digits",
        what=WHAT.format(
            lanes=lanes, data="8x8 digits as grey values, batches of 100", most=min(lanes, MOST_SINGLE)
        ),
        variants={"": variant},
        contenders=("torch_lanes", "torch_vmap", "torch_two", *pythae, "jaxae_lanes"),
        data="digits",
        rows=1_200,
        product=(100, 64, 32),
        lanes=lanes,
        epochs=20 if lanes < 16 else 5,
    )


def small(lanes: int) -> Work:
    """Return a sweep of the VAE 784-400-20 on MNIST."""
    variant = Variant(
        model=lambda: jaxae.VAE(latent_dim=20),
        torch=Peer("torch_mlp", "VAE", {"widths": (400,), "latent": 20}),
        layers=vae_layers(100),
    )
    return _on_mnist(
        lanes,
        variant,
        name=f"g-small-{lanes}",
        title=f"Sweep of {lanes} VAEs 784-400-20 on MNIST",
        rows=1_000,
        epochs=8 if lanes < 16 else 1,
    )


def convolutional(lanes: int) -> Work:
    """Return a sweep of the convolutional VAE on MNIST."""
    channels = (32, 64)
    sizes = {"side": 28, "channels": channels, "image": 1, "latent": 20}
    variant = Variant(
        model=lambda: jaxae.VAE(encoder=jaxae.ConvEncoder(), decoder=jaxae.ConvDecoder(), latent_dim=20),
        torch=Peer("torch_conv", "ConvVAE", sizes),
        layers=conv_layers(100, 28, channels, 1),
    )
    return _on_mnist(
        lanes,
        variant,
        name=f"g-conv-{lanes}",
        title=f"Sweep of {lanes} convolutional VAEs 28x28 on MNIST",
        rows=200,
        images=True,
        product=(100 * 49, 512, 64),
        epochs=4 if lanes < 16 else 1,
    )


def _on_mnist(lanes: int, variant: Variant, **sizes: Any) -> Work:
    """Return a sweep on MNIST; `sizes` are the other fields of the work."""
    data = "MNIST, binarised anew at every presentation, batches of 100"
    return Work(
        what=WHAT.format(lanes=lanes, data=data, most=min(lanes, MOST_SINGLE)),
        variants={"": variant},
        contenders=("torch_lanes", "torch_two", "jaxae_lanes"),
        data="mnist",
        binarize=True,
        lanes=lanes,
        **sizes,
    )


WORKS = tuple(make(lanes) for make in (tiny, small, convolutional) for lanes in LANES)
