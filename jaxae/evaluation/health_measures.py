"""Measures of the group health: which latent units carry information, and how far q(z) is from p(z).

N measured rows, L latent units, K codes of a codebook.
"""

from collections.abc import Iterator

import numpy as np

from jaxae.errors import NotApplicable
from jaxae.estimators import code_health as formulas
from jaxae.estimators.codebook import PERPLEXITY, USAGE, all_tokens, has_tokens, usage_and_perplexity
from jaxae.estimators.row_values import ACTIVE_UNITS, DEAD_UNITS, has_zeros
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.score_measures import row_estimates_of, row_score
from jaxae.evaluation.subject import Row, Subject, mean_row, once, resampled_row
from jaxae.protocols.capabilities import ActivatedCodes
from jaxae.protocols.parts import DensityPosterior, FactorisedKL

DENSE = 0.95  # a unit that is on in a larger share of rows does not distinguish rows by being on or off


def health(subject: Subject) -> Iterator[Part]:
    """Yield measures of any code, and those of sparse codes, codebooks and posteriors."""
    yield part("units active_dimensions", _measure_dimensions, subject)
    yield part("population_sparsity", _measure_population_sparsity, subject)
    yield part("lifetime_sparsity", _measure_lifetime_sparsity, subject)
    yield part("gradient_norm", _measure_gradient_norm, subject)
    yield part("active_units dead_units dense_units", _measure_sparse_units, subject)
    yield part("saturated", _measure_saturation, subject)
    yield part("codebook_usage codebook_perplexity token_entropy", _measure_codebook, subject)
    yield part("information marginal_kl", _measure_aggregate_posterior, subject)


def _measure_dimensions(subject: Subject) -> list[Row]:
    """Return the length of the code and the number of active dimensions (Burda et al., 2016, section 5)."""
    codes, how = subject.codes, "units whose code has a variance over rows above 0.01"
    active = float(formulas.active_dimensions(codes).sum())
    return [
        Row("units", codes.shape[1], None, "units", len(codes), "length of the code"),
        Row("active_dimensions", active, None, "units", len(codes), how),
    ]


def _measure_population_sparsity(subject: Subject) -> Row:
    """Return how few units are on in the code of a row, averaged over rows (Vinje & Gallant, 2000)."""
    # The measure divides by 1 - 1/L, which is 0 for one unit.
    if subject.codes.shape[1] == 1:
        raise NotApplicable("units of the code: got 1, expected 2 or more")
    # Rows without any active unit have no sparsity, and are left out of the mean.
    values = _drop_nan(formulas.population_sparsity(subject.codes))
    if not len(values):
        raise NotApplicable("all units are 0 in every row's code")
    how = "sparsity over the units of a row, mean over rows that are not all 0"
    return mean_row("population_sparsity", values, "0 to 1", how)


def _measure_lifetime_sparsity(subject: Subject) -> Row:
    """Return how few rows a unit is on for, averaged over units (Vinje & Gallant, 2000)."""
    how = "sparsity of a unit over rows, mean over units that are not dead"
    # Units of one row are no independent sample, so the error is by resampling rows, not a mean over units.
    return resampled_row("lifetime_sparsity", _average_lifetime_sparsity, (subject.codes,), "0 to 1", how)


def _measure_gradient_norm(subject: Subject) -> Row:
    """Return the gradient norm of the last training epoch, which the history of the run has."""
    history = subject.result.history
    norm = history[-1]["train"].get("gradient_norm") if history else None
    if norm is None:
        raise NotApplicable("the history of the run has no gradient_norm")
    how = "norm of the gradient of the loss, mean over the steps of the last epoch"
    # `num` is 0, since the value comes from training and not from the measured rows.
    return Row("gradient_norm", float(norm), None, "loss / parameter", 0, how)


@once
def rate_per_dimension(subject: Subject) -> np.ndarray | None:
    """Return the mean KL divergence of each dimension from N(0, 1), f32[L], in nats.

    None for a model without a posterior, or with one whose KL is no sum over dimensions.
    """
    if not subject.has_posterior or not isinstance(subject.joint.posterior, FactorisedKL):
        return None
    return np.asarray(formulas.rate_per_dimension(subject.joint, subject.variables, subject.rows))


def _measure_sparse_units(subject: Subject) -> list[Row]:
    """Return the numbers of active, dead and dense units, for codes that can be exactly 0."""
    if not has_zeros(subject.model):
        raise NotApplicable("the units of these codes are never exactly 0")
    how = f"units that are not 0 in more than {DENSE} of the rows"
    # The comparison is with exact 0: ReLU and top-k codes have zeros without rounding.
    dense = float(((subject.codes != 0).mean(axis=0) > DENSE).sum())
    return [
        row_score(subject, ACTIVE_UNITS.name),
        row_score(subject, DEAD_UNITS.name),
        Row("dense_units", dense, None, "units", len(subject.codes), how),
    ]


def _measure_saturation(subject: Subject) -> Row:
    """Return the share of saturated entries of sigmoid codes (Rifai et al., 2011)."""
    model = subject.model
    # The thresholds 0.05 and 0.95 mean something for codes in [0, 1] only.
    if not isinstance(model, ActivatedCodes) or model.activation != "sigmoid":
        raise NotApplicable("the activation of the code is not sigmoid")
    how = "share of code entries below 0.05 or above 0.95"
    return resampled_row("saturated", formulas.saturated, (subject.codes,), "share", how)


def _measure_codebook(subject: Subject) -> list[Row]:
    """Return usage and perplexity of a codebook, and the entropy of a token."""
    model = subject.model
    if not has_tokens(model):
        raise NotApplicable("the model has no codebook")
    num_codes = model.num_codes
    tokens = np.asarray(all_tokens(model, subject.variables, subject.rows))
    how = f"entropy of the shares of {num_codes} codes over all {tokens.shape[1]} positions of the rows"

    def perplexity(tokens: np.ndarray) -> float:
        # `minlength`, so that codes that are never used count as 0.
        return usage_and_perplexity(np.bincount(tokens.ravel(), minlength=num_codes))[1]

    def entropy(tokens: np.ndarray) -> float:
        return float(np.log2(perplexity(tokens)))

    # Tokens of one row depend on each other, so the jackknife leaves out whole rows.
    resampled = resampled_row(PERPLEXITY.name, perplexity, (tokens,), PERPLEXITY.unit, PERPLEXITY.how)
    return [
        row_score(subject, USAGE.name),
        # The value of the score, to the last digit; the resampling only adds the error.
        resampled._replace(value=row_estimates_of(subject)[PERPLEXITY.name].value),
        resampled_row("token_entropy", entropy, (tokens,), "bits a token", how),
    ]


def _measure_aggregate_posterior(subject: Subject) -> list[Row]:
    """Return the two parts of the mean rate: mutual information and marginal KL.

    E KL(q(z|x) || p(z)) = I_q(x; z) + KL(q(z) || p(z)) (Hoffman & Johnson, 2016).
    """
    if not subject.has_posterior or not isinstance(subject.joint.posterior, DensityPosterior):
        raise NotApplicable("the model has no q(z|x) whose density is known at any z")
    # Each draw is compared with the posteriors of all rows, so the cost is N^2 densities.
    key, variables = subject.key("aggregate posterior"), subject.variables
    parts = formulas.aggregate_posterior(subject.joint, variables, subject.rows, key)
    num = len(subject.codes)
    how = f"q(z) is the mixture of the posteriors of these {num} rows; one draw of z a row"
    return [
        mean_row("information", parts.information, "nats", f"I_q(x; z), at most log {num}; {how}"),
        mean_row("marginal_kl", parts.marginal_kl, "nats", f"KL(q(z) || p(z)); {how}"),
    ]


def _average_lifetime_sparsity(codes: np.ndarray) -> float:
    """Return the mean lifetime sparsity of the units that are not dead."""
    values = _drop_nan(formulas.lifetime_sparsity(codes))
    if not len(values):
        raise NotApplicable("expected 2 rows or more, and a unit that is not 0 in all of them")
    return float(values.mean())


def _drop_nan(values: np.ndarray) -> np.ndarray:
    """Return the values without nan, which marks a unit or a row that is 0 everywhere."""
    return values[~np.isnan(values)]
