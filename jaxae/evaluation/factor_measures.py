"""Measures of the group disentanglement: codes against the factors of variation, for data with known factors.

The conventions are those of Locatello et al., 2019 (arXiv 1811.12359). N rows, F factors (such as shape,
scale and position), L latent dimensions.
"""

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

# Draws, and rows of each half of a draw (the reference's sample size).
DRAWS, NUM = 3, 10_000


class Draw(NamedTuple):
    """Codes and factors of one draw of rows, in a half for fitting and a half for testing."""

    codes: np.ndarray  # f32[N, L]
    factors: np.ndarray  # i64[N, F]
    test_codes: np.ndarray  # f32[N, L], of other rows
    test_factors: np.ndarray  # i64[N, F]


def disentanglement(subject: Subject) -> Iterator[Part]:
    """Yield the scores MIG, modularity, DCI, SAP, FactorVAE and beta-VAE.

    Each is the mean over three draws of rows, and its standard error is that of the draws.
    """
    if subject.is_conditional:
        raise NotApplicable("the codes of a conditional model leave out the information in the condition")
    draws_of(subject)  # raises once for the whole group if the factors are unknown
    for name in SCORES:
        yield part(name, _measure_score, subject, name)


def _measure_score(subject: Subject, name: str) -> Row:
    _check_applies(name, draws_of(subject)[0])
    how = f"{HOW[name]}; error: {DRAWS} draws"
    # `mean_row` would report the number of draws as `num`; readers want the number of rows.
    return mean_row(name, SCORES[name](subject), "0 to 1", how)._replace(num=len(draws_of(subject)[0].codes))


def _check_applies(name: str, draw: Draw) -> None:
    """Raise NotApplicable if every code would get the same score, because nothing can be compared."""
    if name in OF_FACTORS and draw.factors.shape[1] < 2:
        raise NotApplicable("factors of the data: got 1, expected 2 or more to compare")
    if name in OF_UNITS and draw.codes.shape[1] < 2:
        raise NotApplicable("units of a code: got 1, expected 2 or more to compare")


@once
def draws_of(subject: Subject) -> list[Draw]:
    """Return `DRAWS` independent draws of rows with known factors.

    Raises:
        NotApplicable: If the factors of the data are not known.
    """
    return [_draw(subject, subject.settings.seed + number) for number in range(DRAWS)]


def _draw(subject: Subject, seed: int) -> Draw:
    """Draw rows with known factors, binarise them as the run does, and encode them in two disjoint halves."""
    data, scale = subject.result.experiment.data, subject.result.run.dataset.scale
    # One draw without replacement, cut in two, so that no row is both fitted and tested.
    sample = sample_factors(subject.result.run.dataset.location or data, 2 * NUM, seed)
    if sample is None:
        raise NotApplicable("the factors of the data are not known")
    rows = binarize({"factors": Examples(sample.x, (), np.float32(scale))}, data)["factors"]
    # A small data set gives fewer rows than 2 `NUM`, so each half has half of the rows that there are.
    codes, half = subject.encode(rows), len(sample.x) // 2
    return Draw(codes[:half], sample.factors[:half], codes[half:], sample.factors[half:])


@once
def _compute_dci(subject: Subject) -> list[formulas.DCI]:
    """Fit the trees of each draw once: all three DCI scores come from the same trees."""
    return [formulas.dci(*draw) for draw in draws_of(subject)]


def _on_each_draw(score: Callable[[Draw], float]) -> Callable[[Subject], list[float]]:
    return lambda subject: [score(draw) for draw in draws_of(subject)]


SCORES: dict[str, Callable[[Subject], list[float]]] = {
    "modularity": _on_each_draw(lambda draw: formulas.modularity(draw.codes, draw.factors)),
    "mig": _on_each_draw(lambda draw: formulas.mutual_information_gap(draw.codes, draw.factors)),
    "sap": _on_each_draw(lambda draw: formulas.separated_attributes(*draw)),
    "dci_disentanglement": lambda subject: [scores.disentanglement for scores in _compute_dci(subject)],
    "dci_completeness": lambda subject: [scores.completeness for scores in _compute_dci(subject)],
    "dci_informativeness": lambda subject: [scores.informativeness for scores in _compute_dci(subject)],
    "factor_vae_score": _on_each_draw(lambda draw: formulas.factor_vae_score(draw.codes, draw.factors)),
    "beta_vae_score": _on_each_draw(lambda draw: formulas.beta_vae_score(draw.codes, draw.factors)),
}
# Scores that compare factors with each other are the same for any code if there is one factor only.
OF_FACTORS = "modularity", "dci_disentanglement", "factor_vae_score", "beta_vae_score"
# Scores that compare latent dimensions with each other need two of them.
OF_UNITS = "mig", "sap", "dci_completeness"

_BINS = "20 bins of equal width"
_TREES = "histogram-based gradient boosted trees of three levels, importance by the gains of splits"
HOW = {
    "mig": f"{_BINS}; Chen et al., 2018",
    "modularity": f"{_BINS}; Ridgeway & Mozer, 2018",
    "sap": "linear SVM, C = 0.01; Kumar et al., 2018",
    "dci_disentanglement": f"{_TREES}; Eastwood & Williams, 2018",
    "dci_completeness": f"{_TREES}; Eastwood & Williams, 2018",
    "dci_informativeness": f"test accuracy of {_TREES}",
    "factor_vae_score": "majority vote of batches of 64; Kim & Mnih, 2018",
    "beta_vae_score": "logistic regression on mean |z - z'| of 64 pairs; Higgins et al., 2017",
}
