"""How codes stand to the factors that the data were made of, where these are known."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxae.data.binarize import binarize
from jaxae.data.factors import sample_factors
from jaxae.evaluation import disentanglement as formulas
from jaxae.measures.subject import Row, Subject, mean_row
from jaxae.types import Examples

DRAWS, NUM, NUM_TREES = 3, 10_000, 2_000  # the reference's samples; trees see fewer, they are slow


class Draw(NamedTuple):
    """Codes and their factors: rows for fitting, and others for testing."""

    codes: np.ndarray  # f32[N, L]
    factors: np.ndarray  # i64[N, F]
    test_codes: np.ndarray
    test_factors: np.ndarray


def disentanglement(subject: Subject) -> list[Row]:
    """MIG, modularity, DCI, SAP, FactorVAE and beta-VAE scores; mean and error of three draws of rows."""
    if subject.is_conditional:
        return []
    found: dict[str, list[float]] = {}
    num = 0
    for number in range(DRAWS):
        draw = _draw(subject, subject.settings.seed + number)
        if draw is None:
            return []
        num = len(draw.codes)
        for name, value in _scores(draw).items():
            found.setdefault(name, []).append(value)
    return [
        mean_row(name, values, "0 to 1", f"{HOW[name]}; error: {DRAWS} draws")._replace(num=num)
        for name, values in found.items()
    ]


def _draw(subject: Subject, seed: int) -> Draw | None:
    """Rows with known factors, binarised as the run's, in two disjoint halves; None for data without."""
    data, scale = subject.result.experiment.data, subject.result.run.dataset.scale
    sample = sample_factors(subject.result.run.dataset.location or data, 2 * NUM, seed)
    if sample is None:
        return None
    rows = binarize({"factors": Examples(sample.x, (), np.float32(scale))}, data)["factors"]
    codes, half = subject.encode(rows._replace(x=jnp.asarray(rows.x))), len(sample.x) // 2
    return Draw(codes[:half], sample.factors[:half], codes[half:], sample.factors[half:])


def _scores(draw: Draw) -> dict[str, float]:
    codes, factors, test_codes, test_factors = draw
    trees = codes[:NUM_TREES], factors[:NUM_TREES], test_codes[:NUM_TREES], test_factors[:NUM_TREES]
    dci = formulas.dci(*trees)
    scores = {"modularity": formulas.modularity(codes, factors)}
    if codes.shape[1] > 1:
        scores["mig"] = formulas.mutual_information_gap(codes, factors)
        scores["sap"] = formulas.separated_attributes(*draw)
    return {
        **scores,
        "dci_disentanglement": dci.disentanglement,
        "dci_completeness": dci.completeness,
        "dci_informativeness": dci.informativeness,
        "factor_vae_score": formulas.factor_vae_score(codes, factors),
        "beta_vae_score": formulas.beta_vae_score(codes, factors),
    }


_BINS = "20 bins of equal width"
HOW = {
    "mig": f"{_BINS}; Chen et al., 2018",
    "modularity": f"{_BINS}; Ridgeway & Mozer, 2018",
    "sap": "linear SVM, C = 0.01; Kumar et al., 2018",
    "dci_disentanglement": f"gradient boosted trees, {NUM_TREES} rows; Eastwood & Williams, 2018",
    "dci_completeness": f"gradient boosted trees, {NUM_TREES} rows",
    "dci_informativeness": f"test accuracy of these trees, {NUM_TREES} rows",
    "factor_vae_score": "majority vote of batches of 64; Kim & Mnih, 2018",
    "beta_vae_score": "logistic regression on mean |z - z'| of 64 pairs; Higgins et al., 2017",
}
