"""Small things to test with: images, experiments that train in a blink, equality to the bit."""

from typing import Any

import jax
import numpy as np

import jaxae
from jaxae.data import Dataset, from_arrays
from jaxae.experiment import Experiment

MEMBERS = {
    "AE": jaxae.AE,
    "AE with Bernoulli": lambda **kw: jaxae.AE(reconstruction=jaxae.Bernoulli(), **kw),
    "AE with Gaussian": lambda **kw: jaxae.AE(reconstruction=jaxae.Gaussian(std=0.5), **kw),
    "VAE": jaxae.VAE,
    "VAE with Gaussian": lambda **kw: jaxae.VAE(likelihood=jaxae.Gaussian(std=0.5), **kw),
    "VAE with 3 samples and a warm-up": lambda **kw: jaxae.VAE(
        num_samples=3, beta=jaxae.Linear(start=0.1, end=1.0, steps=5.0), **kw
    ),
}


def member(name: str) -> Any:
    """A member of the family, small."""
    nets = {"encoder": jaxae.MLP(widths=(12,)), "decoder": jaxae.MLP(widths=(12,))}
    return MEMBERS[name](latent_dim=3, data_shape=(4, 4, 1), **nets)


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
        "data": jaxae.Data(binarize="dynamic", num_validation=20, num_test=20),
        "autoencoder": autoencoder if autoencoder is not None else member("VAE"),
        "optimizer": jaxae.Adam(learning_rate=3e-3),
        "batch_size": 10,
        "epochs": 3,
        "checkpoint_every": 1,
    }
    return Experiment(**{**settings, **changes})


def dataset(asked: Experiment) -> Dataset:
    """`images` as the experiment wants them."""
    return from_arrays(images(), None, asked.data)


def same_bits(left: Any, right: Any) -> bool:
    """Whether two trees of arrays are equal to the bit, nan included."""
    leaves = [jax.device_get(jax.tree.leaves(tree)) for tree in (left, right)]
    return jax.tree.structure(left) == jax.tree.structure(right) and all(
        np.asarray(a).dtype == np.asarray(b).dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(*leaves, strict=True)
    )
