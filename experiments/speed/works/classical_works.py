"""Works c and d: contractive, denoising and sparse autoencoders of 784-1000 units, and a dictionary."""

from typing import Any

import jaxae
from works.flops import dense
from works.work import Peer, Variant, Work

BATCH = 100
# One layer 784-1000 and its transpose, which has the same products as a second matrix.
ONE_LAYER = (*dense(BATCH, 784, 1000, first=True), *dense(BATCH, 1000, 784))
CONTENDERS = ("fused", "compile", "jaxae")


def one_layer(**options: Any) -> dict[str, Any]:
    """Return the fields of an autoencoder 784-1000 with tied matrices."""
    nets = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=()), "tied": True}
    return {**nets, "latent_dim": 1000, **options}


def contractive_model(method: str) -> Any:
    """Return jaxae's contractive autoencoder 784-1000 with sigmoid units."""
    fields = one_layer(activation="sigmoid", reconstruction=jaxae.Bernoulli())
    return jaxae.ContractiveAE(**fields, method=method)  # type: ignore[arg-type]


def contractive() -> Work:
    """Return the penalties of one layer, with the same net without penalty."""
    units: dict[str, Any] = {"activation": "sigmoid", "loss": "bernoulli"}
    variants = {
        "vanilla": Variant(
            lambda: jaxae.AE(**one_layer(activation="sigmoid", reconstruction=jaxae.Bernoulli())),
            Peer("torch_classical", "Tied", units),
            layers=ONE_LAYER,
        ),
        "closed": Variant(
            lambda: contractive_model("closed"),
            Peer("torch_classical", "Contractive", {**units, "method": "closed"}),
            layers=ONE_LAYER,
        ),
        # One more product forward (the probe through the layer) and two backward, to the weights and to the
        # slopes; the probe itself needs no gradient.
        "hutchinson": Variant(
            lambda: contractive_model("hutchinson"),
            Peer("torch_classical", "Contractive", {**units, "method": "hutchinson"}),
            layers=(*ONE_LAYER, *dense(BATCH, 784, 1000, first=True)),
        ),
    }
    return Work(
        name="c-contractive",
        title="Contractive autoencoder 784-1000, one sigmoid layer, tied, batch 100",
        what=(
            "MNIST as grey values, Bernoulli cross-entropy plus 0.1 |J|^2 of the code; closed form, or one "
            "Hutchinson probe by a forward derivative. Vanilla is the same net without penalty. Adam at 1e-3."
        ),
        variants=variants,
        contenders=("fused", "jaxae"),
        data="mnist",
        rows=2_000,
        product=(BATCH, 784, 1000),
    )


def exact() -> Work:
    """Return the exact penalty of a two-layer net."""
    variant = Variant(
        lambda: jaxae.ContractiveAE(
            encoder=jaxae.MLP(widths=(1000,), activation="sigmoid"),
            decoder=jaxae.MLP(widths=(1000,), activation="sigmoid"),
            latent_dim=128,
            activation="sigmoid",
            tied=True,
            reconstruction=jaxae.Bernoulli(),
        ),
        Peer("torch_classical", "TwoLayerContractive", {"hidden": 1000, "latent": 128}),
    )
    return Work(
        name="c-exact",
        title="Contractive autoencoder 784-1000-128, exact Jacobian, batch 100",
        what=(
            "MNIST as grey values, two sigmoid layers, tied; Bernoulli cross-entropy plus 0.1 |J|^2 of the "
            "code, exact: jaxae's default for this net, torch.func's jacfwd and jacrev under vmap. Adam at "
            "1e-3. The forms differ in their products, so that no share is given."
        ),
        variants={"": variant},
        contenders=("jacfwd", "jacrev", "jaxae"),
        data="mnist",
        rows=200,
        product=(BATCH, 784, 1000),
    )


def sparse() -> Work:
    """Return denoising and the sparse autoencoders of 1000 units."""
    noise = jaxae_masking
    variants = {
        "denoising": Variant(
            lambda: jaxae.DenoisingAE(
                **one_layer(activation="sigmoid", reconstruction=jaxae.Bernoulli()), corruption=noise()
            ),
            Peer("torch_classical", "Denoising", {"activation": "sigmoid", "loss": "bernoulli"}),
            layers=ONE_LAYER,
        ),
        "l1": Variant(
            lambda: jaxae.L1SparseAE(**one_layer(sparsity_weight=0.05)),
            Peer("torch_classical", "L1Sparse", {"activation": "relu", "loss": "softplus"}),
            layers=ONE_LAYER,
        ),
        "kl": Variant(
            lambda: jaxae.KLSparseAE(**one_layer(reconstruction=jaxae.Bernoulli(), sparsity_weight=0.1)),
            Peer("torch_classical", "KLSparse", {"activation": "sigmoid", "loss": "bernoulli"}),
            layers=ONE_LAYER,
        ),
        "topk": Variant(
            lambda: jaxae.TopKAE(**one_layer(k=25)),
            Peer("torch_classical", "TopK", {"activation": "identity", "loss": "squared", "k": 25}),
            layers=ONE_LAYER,
        ),
    }
    return Work(
        name="d-sparse",
        title="Denoising and sparse autoencoders 784-1000, one layer, tied, batch 100",
        what=(
            "MNIST as grey values, Adam at 1e-3, each with the loss of its config: denoising (a quarter of "
            "the pixels masked, Bernoulli), L1 (softplus reconstruction, squared error), KL (Bernoulli, rho "
            "0.05), TopK (25 of 1000 units, squared error)."
        ),
        variants=variants,
        contenders=("fused", "jaxae"),
        data="mnist",
        rows=2_000,
        product=(BATCH, 784, 1000),
    )


def jaxae_masking() -> Any:
    """Return the corruption of the denoising autoencoder: a quarter of the pixels masked."""
    return jaxae.distributions.Masking(rate=0.25)


def dictionary() -> Work:
    """Return a TopK dictionary of activations."""
    batch, inputs, units, k = 256, 512, 8192, 32
    variant = Variant(
        lambda: jaxae.TopKAE(
            encoder=jaxae.MLP(widths=()), decoder=jaxae.MLP(widths=()), latent_dim=units, k=k
        ),
        Peer("torch_classical", "Dictionary", {"inputs": inputs, "units": units, "k": k}),
        layers=(*dense(batch, inputs, units, first=True), *dense(batch, units, inputs)),
    )
    return Work(
        name="d-dictionary",
        title="TopK dictionary 512-8192, k = 32, batch 256",
        what=(
            "Rows of 512 numbers, sums of 8 of 1000 random directions; 8192 linear units, the 32 largest of "
            "which are kept, a second matrix to the rows; squared error, Adam at 1e-3."
        ),
        variants={"": variant},
        contenders=CONTENDERS,
        data="activations",
        rows=2_560,
        batch_size=batch,
        product=(batch, 512, 8192),
    )


WORKS = (contractive(), exact(), sparse(), dictionary())
