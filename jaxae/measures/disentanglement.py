"""How codes stand to the factors that the data were made of, where these are known."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxae.data.factors import sample_factors
from jaxae.evaluation import disentanglement as formulas
from jaxae.measures.subject import Row, Subject
from jaxae.types import Examples

DRAWS, NUM, NUM_TREES = 3, 10_000, 2_000  # the reference's samples; trees see fewer, they are slow


class Factored(NamedTuple):
    """Codes and their factors, one draw for fitting and one for testing."""

    codes: np.ndarray  # f32[NUM, L]
    factors: np.ndarray  # i64[NUM, F]
    test_codes: np.ndarray
    test_factors: np.ndarray


def disentanglement(subject: Subject) -> list[Row]:
    """MIG, modularity, DCI, SAP, FactorVAE and beta-VAE scores; mean and error of three draws of rows."""
    if subject.is_conditional or (draws := _draws(subject)) is None:
        return []
    found: dict[str, list[float]] = {}
    for draw in draws:
        for name, value in _scores(draw).items():
            found.setdefault(name, []).append(value)
    return [_row(name, values) for name, values in found.items()]


def _draws(subject: Subject) -> list[Factored] | None:
    """Three pairs of independent samples, None for data without factors."""
    draws = []
    for seed in range(DRAWS):
        sides: list[Any] = []
        for side in (2 * seed, 2 * seed + 1):
            sample = sample_factors(subject.result.experiment.data, NUM, subject.settings.seed + side)
            if sample is None:
                return None
            scale = np.float32(subject.result.run.dataset.scale)
            sides += [subject.encode(Examples(jnp.asarray(sample.x), (), scale)), sample.factors]
        draws.append(Factored(*sides))
    return draws


def _scores(draw: Factored) -> dict[str, float]:
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


def _row(name: str, values: list[float]) -> Row:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return Row(name, float(np.mean(values)), error, "0 to 1", NUM, HOW[name])


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
