"""Small things to test with: images, experiments that train in a blink, equality to the bit."""

from typing import Any

import jax
import numpy as np

import jaxae
from jaxae.data import Dataset, from_arrays
from jaxae.runs.experiment import Experiment

SHAPE, CODE = (4, 4, 1), 3
NETS = {"encoder": jaxae.MLP(widths=(12,)), "decoder": jaxae.MLP(widths=(12,))}
CONVOLUTIONS = {
    "encoder": jaxae.ConvEncoder(channels=(3,), widths=(5,)),
    "decoder": jaxae.ConvDecoder(channels=(3,), widths=(5,)),
}
TOP = {
    "top_encoder": jaxae.MLP(widths=(4,)),
    "top_decoder": jaxae.MLP(widths=(4,)),
    "top_latent_dim": 2,
}
LAYER = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=())}

# So few and so short that every number of it shows in two steps.
MOVING = jaxae.EMACodebook(num_codes=6, decay=0.5, revive_below=0.4, smoothing=0.1)

# name -> (class, what differs from NETS and a code of 3)
MEMBERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "AE": (jaxae.AE, {}),
    "AE with Bernoulli": (jaxae.AE, {"reconstruction": jaxae.Bernoulli()}),
    "AE with Gaussian": (jaxae.AE, {"reconstruction": jaxae.Gaussian(std=0.5)}),
    "AE tied": (jaxae.AE, {"tied": True, "activation": "sigmoid"}),
    "AE with convolutions": (jaxae.AE, CONVOLUTIONS),
    "DenoisingAE": (jaxae.DenoisingAE, {}),
    "DenoisingAE with dropout": (jaxae.DenoisingAE, {"corruption": jaxae.distributions.Dropout()}),
    "DenoisingAE with Gaussian noise": (
        jaxae.DenoisingAE,
        {"corruption": jaxae.distributions.GaussianNoise()},
    ),
    "DenoisingAE, salt and pepper, emphasised": (
        jaxae.DenoisingAE,
        {"corruption": jaxae.distributions.SaltAndPepper(), "emphasis": jaxae.Emphasis(alpha=0.8, beta=0.2)},
    ),
    "KLSparseAE": (jaxae.KLSparseAE, {}),
    "L1SparseAE": (jaxae.L1SparseAE, {}),
    "TopKAE": (jaxae.TopKAE, {"k": 2}),
    "JumpReLUAE": (
        jaxae.JumpReLUAE,
        {"activation": "softplus", "threshold": 0.65, "bandwidth": 0.2},
    ),
    "WinnerTakeAllAE": (jaxae.WinnerTakeAllAE, {"lifetime": 0.5, "activation": "softplus"}),
    "ContractiveAE": (jaxae.ContractiveAE, LAYER),
    "ContractiveAE, exact, with the Hessian": (
        jaxae.ContractiveAE,
        {"tied": False, "method": "exact", "hessian": jaxae.Hessian(weight=0.1)},
    ),
    "ContractiveAE, Hutchinson": (jaxae.ContractiveAE, {"tied": False, "method": "hutchinson"}),
    "Stacked": (
        jaxae.Stacked,
        {
            "stages": (
                jaxae.DenoisingAE(latent_dim=5, **NETS),
                jaxae.ContractiveAE(latent_dim=CODE),
            ),
            "stage_steps": 2.0,
            "finetune_steps": 2.0,
            "num_classes": 3,
        },
    ),
    "VQVAE": (jaxae.VQVAE, {"grid": (3,), "code_dim": 1, "quantiser": MOVING}),
    "VQVAE with gradients": (
        jaxae.VQVAE,
        {"grid": (1,), "code_dim": 3, "quantiser": jaxae.GradientCodebook(num_codes=4)},
    ),
    "VQVAE with cosines, rotated": (
        jaxae.VQVAE,
        {
            "grid": (1,),
            "code_dim": 3,
            "quantiser": jaxae.GradientCodebook(num_codes=4, normalise=True, estimator="rotation"),
        },
    ),
    "VQVAE with FSQ": (jaxae.VQVAE, {"grid": (3,), "code_dim": 1, "quantiser": jaxae.FSQ(levels=(9,))}),
    "VQGAN": (
        jaxae.VQGAN,
        {
            "grid": (3,),
            "code_dim": 1,
            "quantiser": MOVING,
            "discriminator": jaxae.MLP(widths=(6,)),
            "discriminator_start": 2.0,
            "last_layer": "Dense_1",
            "perceptual": jaxae.RotationFeatures(channels=(3,)),
        },
    ),
    "VQGAN with convolutions": (
        jaxae.VQGAN,
        {
            "encoder": jaxae.GridEncoder(channels=(3, 3), num_blocks=1, block_width=2),
            "decoder": jaxae.GridDecoder(channels=(3, 3), num_blocks=1, block_width=2),
            "grid": (1, 1),
            "code_dim": 3,
            "quantiser": jaxae.GradientCodebook(num_codes=4),
            "discriminator": jaxae.PatchDiscriminator(channels=(4,)),
            "patches": (2, 2),
            "adaptive": False,
        },
    ),
    "VAE": (jaxae.VAE, {}),
    "VAE with Gaussian": (jaxae.VAE, {"likelihood": jaxae.Gaussian(std=0.5)}),
    "VAE with a learned std": (jaxae.VAE, {"likelihood": jaxae.LearnedGaussian()}),
    "VAE with a std for each pixel": (jaxae.VAE, {"likelihood": jaxae.PixelGaussian()}),
    "VAE with DiscretisedLogistic": (jaxae.VAE, {"likelihood": jaxae.DiscretisedLogistic()}),
    "VAE with Categorical": (jaxae.VAE, {"likelihood": jaxae.Categorical(num_levels=4)}),
    "VAE with 3 samples and a warm-up": (
        jaxae.VAE,
        {"num_samples": 3, "beta": jaxae.schedules.Linear(start=0.1, end=1.0, steps=5.0)},
    ),
    "VAE with a capacity": (jaxae.VAE, {"capacity": jaxae.schedules.Linear(start=0.2, end=2.0, steps=5.0)}),
    "VAE with free bits": (jaxae.VAE, {"free_bits": 0.01}),
    "VAE with convolutions": (jaxae.VAE, CONVOLUTIONS),
    "VAE, conditional": (jaxae.VAE, {"num_classes": 3}),
    "VAE, full covariance": (jaxae.VAE, {"posterior": jaxae.FullGaussian()}),
    "VAE, planar flow": (jaxae.VAE, {"posterior": jaxae.PlanarFlow(num_layers=2)}),
    "VAE, mixture prior": (jaxae.VAE, {"prior": jaxae.MixturePrior(num_components=4)}),
    "VAE, VampPrior": (jaxae.VAE, {"prior": jaxae.VampPrior(num_components=4)}),
    "AdversarialAE": (jaxae.AdversarialAE, {"discriminator": jaxae.MLP(widths=(6,))}),
    "WAE": (jaxae.WAE, {}),
    "InfoVAE": (jaxae.InfoVAE, {"rate_weight": 0.5}),
    "BetaTCVAE": (jaxae.BetaTCVAE, {"num_examples": 50}),
    "FactorVAE": (jaxae.FactorVAE, {"discriminator": jaxae.MLP(widths=(6,))}),
    "TwoLayerVAE": (jaxae.TwoLayerVAE, TOP),
    "TwoLayerVAE with the IWELBO": (jaxae.TwoLayerVAE, {**TOP, "bound": "iwelbo", "num_samples": 3}),
    "IWAE": (jaxae.IWAE, {}),
    "IWAE, STL": (jaxae.IWAE, {"estimator": "stl"}),
    "IWAE, DReG": (jaxae.IWAE, {"estimator": "dreg"}),
    "IWAE with PIWAE's gradient": (jaxae.IWAE, {"num_groups": 2, "num_samples": 2, "partial": True}),
    "IWAE in groups, with the ELBO": (jaxae.IWAE, {"num_groups": 2, "num_samples": 2, "elbo_weight": 0.3}),
}


def member(name: str) -> Any:
    """A member of the family, small."""
    cls, changes = MEMBERS[name]
    common = {} if cls is jaxae.Stacked else {**NETS, "latent_dim": CODE}
    if issubclass(cls, jaxae.VQVAE):
        common = dict(NETS)  # the length of its code follows from its grid
    return cls(**{**common, "data_shape": SHAPE, **changes})


def labels(num: int) -> np.ndarray:
    """i32[num]: 0, 1, 2, 0, ..."""
    return (np.arange(num) % 3).astype(np.int32)


def images(num: int = 90, seed: int = 0) -> np.ndarray:
    """uint8[num, 4, 4, 1] with some structure: two blobs that come and go."""
    random = np.random.RandomState(seed)
    parts = random.rand(num, 2) < 0.5
    patterns = np.random.RandomState(1).rand(2, 16)
    x = np.clip(parts @ patterns * 0.7 + 0.1 * random.rand(num, 16), 0, 1)
    return np.round(255 * x).astype(np.uint8).reshape(num, 4, 4, 1)


def experiment(autoencoder: Any = None, **changes: Any) -> Experiment:
    """Three epochs of a small VAE on `images`."""
    settings: dict[str, Any] = {
        "data": jaxae.DataSpec(binarize="dynamic", num_validation=20, num_test=20),
        "model": autoencoder if autoencoder is not None else member("VAE"),
        "optimizer": jaxae.Adam(learning_rate=3e-3),
        "batch_size": 10,
        "epochs": 3,
        "checkpoint_every": 1,
    }
    return Experiment(**{**settings, **changes})


def dataset(asked: Experiment) -> Dataset:
    """`images` as the experiment wants them."""
    return from_arrays(images(), labels(90), asked.data)


def same_bits(left: Any, right: Any) -> bool:
    """Whether two trees of arrays are equal to the bit, nan included."""
    leaves = [jax.device_get(jax.tree.leaves(tree)) for tree in (left, right)]
    return jax.tree.structure(left) == jax.tree.structure(right) and all(
        np.asarray(a).dtype == np.asarray(b).dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(*leaves, strict=True)
    )
