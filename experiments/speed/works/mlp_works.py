"""Works a and b: a VAE of multilayer perceptrons on MNIST, and the importance weighted autoencoder."""

import jaxae
from works.flops import dense
from works.work import Peer, Variant, Work

SETTINGS = (
    "Adam at 1e-3, Bernoulli likelihood from logits, images shuffled every epoch and binarised anew at "
    "every presentation."
)


def vae_layers(batch: int) -> tuple:
    """Return the layers of the VAE 784-400-20."""
    return (*dense(batch, 784, 400, 40, first=True), *dense(batch, 20, 400, 784))


def vae(batch: int) -> Work:
    """Return the VAE 784-400-20 at a batch size."""
    sizes = {"widths": (400,), "latent": 20}
    variant = Variant(
        model=lambda: jaxae.VAE(latent_dim=20),
        torch=Peer("torch_mlp", "VAE", sizes),
        flax=Peer("flax_models", "MLPVAE", sizes),
        layers=vae_layers(batch),
    )
    return Work(
        name=f"a-vae-{batch}",
        title=f"VAE 784-400-20, batch {batch:,}",
        what=f"MNIST, ReLU, batches of {batch}; minus the ELBO, one draw. {SETTINGS}",
        variants={"": variant},
        contenders=("examples", "preloaded", "fused", "compile", "pythae", "flax", "bare", "jaxae"),
        data="mnist",
        rows=6_000 if batch == 100 else 10_000,
        batch_size=batch,
        binarize=True,
        product=(batch, 784, 400),
    )


def iwae() -> Work:
    """Return the importance weighted autoencoder with k = 50."""
    batch, k, sizes = 100, 50, {"widths": (200, 200), "latent": 50}
    variant = Variant(
        model=lambda: jaxae.IWAE(
            encoder=jaxae.MLP(widths=(200, 200)),
            decoder=jaxae.MLP(widths=(200, 200)),
            latent_dim=50,
            num_samples=50,
        ),
        torch=Peer("torch_mlp", "IWAE", {**sizes, "samples": k}),
        layers=(
            *dense(batch, 784, 200, 200, 100, first=True),
            *dense(batch * k, 50, 200, 200, 784),
        ),
    )
    return Work(
        name="b-iwae-50",
        title="IWAE 784-200-200-50, k = 50, batch 100",
        what=f"MNIST, ReLU; minus the importance weighted bound of 50 draws. {SETTINGS}",
        variants={"": variant},
        contenders=("fused", "compile", "pythae", "bare", "jaxae"),
        data="mnist",
        rows=1_000,
        batch_size=batch,
        binarize=True,
        product=(batch * k, 200, 784),
    )


WORKS = (vae(100), vae(1000), iwae())
