"""How codes stand to the factors that the data were made of, where these are known."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaxae.data.binarize import binarize
from jaxae.data.true_factors import sample_factors
from jaxae.errors import NotApplicable
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.subject import Row, Subject, mean_row, once
from jaxae.metrics import disentanglement as formulas
from jaxae.types import Examples

DRAWS, NUM, NUM_TREES = 3, 10_000, 2_000  # the reference's samples; trees see fewer, they are slow


class Draw(NamedTuple):
    """Codes and their factors: rows for fitting, and others for testing."""

    codes: np.ndarray  # f32[N, L]
    factors: np.ndarray  # i64[N, F]
    test_codes: np.ndarray
    test_factors: np.ndarray


def disentanglement(subject: Subject) -> Iterator[Part]:
    """MIG, modularity, DCI, SAP, FactorVAE and beta-VAE scores; mean and error of three draws of rows."""
    if subject.is_conditional:
        raise NotApplicable("codes of a model with a condition lack what the condition says")
    draws_of(subject)
    for name in SCORES:
        yield part(name, _score, subject, name)


def _score(subject: Subject, name: str) -> Row:
    _check(name, draws_of(subject)[0])
    how = f"{HOW[name]}; error: {DRAWS} draws"
    return mean_row(name, SCORES[name](subject), "0 to 1", how)._replace(num=len(draws_of(subject)[0].codes))


def _check(name: str, draw: Draw) -> None:
    """Raises NotApplicable where all codes have the same score."""
    if name in OF_FACTORS and draw.factors.shape[1] < 2:
        raise NotApplicable("factors of the data: got 1, expected 2 or more to tell apart")
    if name in OF_UNITS and draw.codes.shape[1] < 2:
        raise NotApplicable("units of a code: got 1, expected 2 or more to tell apart")


@once
def draws_of(subject: Subject) -> list[Draw]:
    """Draws of rows with known factors. Raises: NotApplicable for data without."""
    return [_draw(subject, subject.settings.seed + number) for number in range(DRAWS)]


def _draw(subject: Subject, seed: int) -> Draw:
    """Rows with known factors, binarised as the run's, in two disjoint halves."""
    data, scale = subject.result.experiment.data, subject.result.run.dataset.scale
    sample = sample_factors(subject.result.run.dataset.location or data, 2 * NUM, seed)
    if sample is None:
        raise NotApplicable("the factors of the data are not known")
    rows = binarize({"factors": Examples(sample.x, (), np.float32(scale))}, data)["factors"]
    codes, half = subject.encode(rows), len(sample.x) // 2
    return Draw(codes[:half], sample.factors[:half], codes[half:], sample.factors[half:])


@once
def _dci(subject: Subject) -> list[formulas.DCI]:
    """The three scores of each draw, of the same trees."""
    few = [Draw(*(each[:NUM_TREES] for each in draw)) for draw in draws_of(subject)]
    return [formulas.dci(*draw) for draw in few]


def _of_draws(score: Callable[[Draw], float]) -> Callable[[Subject], list[float]]:
    return lambda subject: [score(draw) for draw in draws_of(subject)]


SCORES: dict[str, Callable[[Subject], list[float]]] = {
    "modularity": _of_draws(lambda draw: formulas.modularity(draw.codes, draw.factors)),
    "mig": _of_draws(lambda draw: formulas.mutual_information_gap(draw.codes, draw.factors)),
    "sap": _of_draws(lambda draw: formulas.separated_attributes(*draw)),
    "dci_disentanglement": lambda subject: [found.disentanglement for found in _dci(subject)],
    "dci_completeness": lambda subject: [found.completeness for found in _dci(subject)],
    "dci_informativeness": lambda subject: [found.informativeness for found in _dci(subject)],
    "factor_vae_score": _of_draws(lambda draw: formulas.factor_vae_score(draw.codes, draw.factors)),
    "beta_vae_score": _of_draws(lambda draw: formulas.beta_vae_score(draw.codes, draw.factors)),
}
# Scores that compare factors with each other, and units: of one factor, or one unit, they say nothing.
OF_FACTORS = "modularity", "dci_disentanglement", "factor_vae_score", "beta_vae_score"
OF_UNITS = "mig", "sap", "dci_completeness"

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
