"""Which units of a code carry something, and how q(z) stands to p(z)."""

import jax.numpy as jnp
import numpy as np

from jaxae import quantisation
from jaxae.evaluation import health as formulas
from jaxae.evaluation.codebook import all_tokens, has_tokens
from jaxae.evaluation.scores import has_zeros
from jaxae.evaluation.units import active_units, dead_units
from jaxae.measures.subject import Row, Subject, mean_row, once, resampled_row

DENSE = 0.95  # share of examples above which a unit that can be off speaks of nothing


def health(subject: Subject) -> list[Row]:
    """Variances, sparsity, saturation and gradient norm of any code; what else applies beside them."""
    codes = subject.codes
    norm = subject.result.history[-1]["train"].get("gradient_norm") if subject.result.history else None
    rows = [
        Row("units", codes.shape[1], None, "units", len(codes), "length of the code"),
        Row(
            "active_dimensions",
            float(formulas.active_dimensions(codes).sum()),
            None,
            "units",
            len(codes),
            "variance of the code over rows > 0.01",
        ),
        mean_row(
            "population_sparsity", _defined(formulas.population_sparsity(codes)), "0 to 1", "over units"
        ),
        resampled_row(
            "lifetime_sparsity", _lifetime, (codes,), "0 to 1", "over rows, mean of units not dead"
        ),
    ]
    if norm is not None:
        how = "of the loss, mean over the last epoch's steps"
        rows.append(Row("gradient_norm", float(norm), None, "loss / parameter", 0, how))
    rows += [*_of_zeros(subject), *_of_saturation(subject), *_of_tokens(subject)]
    return [*rows, *_of_posteriors(subject)]


@once
def rate_per_dimension(subject: Subject) -> np.ndarray | None:
    """The mean KL of each dimension of a diagonal Gaussian posterior, f32[L], nats; None for others."""
    if not subject.has_posterior or not hasattr(subject.autoencoder.posterior, "kl_per_dim"):
        return None
    return np.asarray(formulas.rate_per_dimension(subject.autoencoder, subject.variables, subject.rows))


def _of_zeros(subject: Subject) -> list[Row]:
    """For codes whose units can be off, exactly 0."""
    if not has_zeros(subject.autoencoder):
        return []
    codes = jnp.asarray(subject.codes)
    dense = float(((codes != 0).mean(axis=0) > DENSE).sum())
    return [
        mean_row("active_units", active_units(codes), "units", "not 0 in a row's code"),
        Row("dead_units", float(dead_units(codes)), None, "units", len(codes), "0 in every row's code"),
        Row("dense_units", dense, None, "units", len(codes), f"not 0 in more than {DENSE} of the rows"),
    ]


def _of_saturation(subject: Subject) -> list[Row]:
    """For codes behind a sigmoid."""
    if getattr(subject.autoencoder, "activation", None) != "sigmoid":
        return []
    how = "entries below 0.05 or above 0.95"
    return [resampled_row("saturated", formulas.saturated, (subject.codes,), "share", how)]


def _of_tokens(subject: Subject) -> list[Row]:
    """How codes of a table are used."""
    if not has_tokens(subject.autoencoder):
        return []
    num_codes = subject.autoencoder.num_codes
    tokens = np.asarray(all_tokens(subject.autoencoder, subject.variables, subject.rows))
    how = f"shares of {num_codes} codes at all {tokens.shape[1]} positions of these rows"

    def perplexity(tokens: np.ndarray) -> float:
        return float(quantisation.perplexity(jnp.asarray(np.bincount(tokens.ravel(), minlength=num_codes))))

    def entropy(tokens: np.ndarray) -> float:
        return float(np.log2(perplexity(tokens)))

    usage = len(np.unique(tokens)) / num_codes
    chosen = f"of {num_codes} codes, those chosen at any of {tokens.size} positions"
    return [
        Row("codebook_usage", usage, None, "share", len(tokens), chosen),
        resampled_row("codebook_perplexity", perplexity, (tokens,), "codes", f"exp of the entropy; {how}"),
        resampled_row("token_entropy", entropy, (tokens,), "bits a token", f"entropy; {how}"),
    ]


def _of_posteriors(subject: Subject) -> list[Row]:
    """The rate in its two parts, for posteriors whose density is known everywhere."""
    if not subject.has_posterior or not subject.autoencoder.posterior.has_density:
        return []
    key, variables = subject.key("aggregate posterior"), subject.variables
    found = formulas.aggregate_posterior(subject.autoencoder, variables, subject.rows, key)
    how = (
        f"q(z) is the mixture of these rows' posteriors, so at most log {len(subject.codes)}; one draw a row"
    )
    return [
        mean_row("information", found.information, "nats", f"I_q(x; z); {how}"),
        mean_row("marginal_kl", found.marginal_kl, "nats", f"KL(q(z) || p(z)); {how}"),
    ]


def _lifetime(codes: np.ndarray) -> float:
    return float(_defined(formulas.lifetime_sparsity(codes)).mean())


def _defined(values: np.ndarray) -> np.ndarray:
    """Those of units that ever speak; one nan where none does."""
    found = values[~np.isnan(values)]
    return found if len(found) else np.array([np.nan])
