"""Measures of log p(x), in four groups.

likelihood: bounds by draws from q(z|x). annealing: log p(x) by annealed importance sampling (AIS). exact:
log p(x) by quadrature, for codes of one or two dimensions. gaps: log p(x) - ELBO in its two parts.

N rows, C chains, L latent dimensions. Values are in nats, unless the unit is bits/dim.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jax import Array

from jaxae.data.data_spec import DataSpec
from jaxae.errors import NotApplicable
from jaxae.estimators import codebook
from jaxae.estimators.annealing import Annealable, Simulated, annealed, reversed_annealed, simulate
from jaxae.estimators.codebook import has_tokens
from jaxae.estimators.evidence import bound_names, taken_names
from jaxae.estimators.gaps import gaps
from jaxae.estimators.importance import has_tail
from jaxae.estimators.quadrature import Evidence, log_evidence
from jaxae.estimators.score_facts import NATS, Estimate
from jaxae.estimators.terms import Stream, example_of, over_rows
from jaxae.evaluation.attempts import Part, part
from jaxae.evaluation.score_measures import bits_row, bound_row, estimate_row, row_columns_of
from jaxae.evaluation.subject import Row, Subject, mean_row, once
from jaxae.maths import bounds
from jaxae.metrics.uncertainty import mean_and_error
from jaxae.protocols.capabilities import JointDensity, LatentVariableModel, comparison_of
from jaxae.protocols.parts import Likelihood, SampledLikelihood
from jaxae.types import Batch, Examples, Variables


def likelihood(subject: Subject) -> Iterator[Part]:
    """Yield the ELBO with its parts, and the IWELBO with its diagnostics.

    For a tokenizer with a density of x, yield the ELBO under a uniform prior over tokens instead.
    """
    if has_tokens(subject.model):
        yield part("elbo distortion rate elbo_bits_per_dim", _measure_uniform_tokens, subject)
        return
    if not isinstance(subject.model, LatentVariableModel):
        raise NotApplicable("the model has no log_weights and elbo, so there is no bound on log p(x)")
    k = subject.settings.num_samples
    yield part(" ".join(bound_names(subject.model)), _measure_elbo, subject)
    yield part(f"iwelbo_{k} iwelbo_{k}_bits_per_dim iwelbo_{k}_ess", _measure_iwelbo, subject)
    yield part(f"iwelbo_{k}_pareto_k iwelbo_{k}_unreliable", _measure_pareto, subject)


def _measure_elbo(subject: Subject) -> list[Row]:
    """Return the rows of `elbo` and, if the model has them, `distortion` and `rate`."""
    return [bound_row(subject, name, pixels_as(subject)) for name in bound_names(subject.model)]


def _measure_iwelbo(subject: Subject) -> list[Row]:
    """Return the rows of the IWELBO in nats and in bits/dim, and of its effective sample size."""
    # k is part of the name, since bounds of different k are different measures.
    name, likelihood_text = f"iwelbo_{subject.settings.num_samples}", pixels_as(subject)
    iwelbo = bound_row(subject, name, likelihood_text)
    bits = bits_row(f"{name}_bits_per_dim", iwelbo, _count_dimensions(subject))
    return [iwelbo, bits, bound_row(subject, f"{name}_ess", likelihood_text)]


def _measure_pareto(subject: Subject) -> list[Row]:
    """Return the rows of Pareto k and of the share of rows for which it is too large."""
    k = subject.settings.num_samples
    # The tail fit needs a few largest weights; with few samples there is no tail.
    if not has_tail(k):
        raise NotApplicable(f"num_samples: {k} weights of a row are too few for the fit of a tail")
    names = f"iwelbo_{k}_pareto_k", f"iwelbo_{k}_unreliable"
    return [bound_row(subject, name, pixels_as(subject)) for name in names]


def _count_dimensions(subject: Subject) -> int:
    """Return the number of dimensions of an example, its pixels times channels."""
    return math.prod(subject.result.run.dataset.shape)


def _measure_uniform_tokens(subject: Subject) -> list[Row]:
    """Return the ELBO of a tokenizer under a uniform prior over tokens, and its parts.

    log p(x) = log sum_t p(x|t) / K^P >= log p(x|tokens of x) - P log K, with K codes at P positions.
    """
    check_density(subject)
    autoencoder, (values, distortion) = subject.model, distortion_of_tokens(subject)
    assert has_tokens(autoencoder)
    grid = codebook.grid_of(autoencoder, subject.variables, example_of(subject.rows))
    # P log K is a constant, so the whole error of the ELBO is that of the distortion.
    rate = Estimate(math.prod(grid) * math.log(autoencoder.num_codes), 0.0)
    how = (
        f"the encoder's tokens, all {autoencoder.num_codes} codes equally likely at each position; "
        f"{pixels_as(subject)}"
    )
    elbo = Estimate(-(distortion.value + rate.value), distortion.standard_error)
    estimates = {"elbo": elbo, "distortion": distortion, "rate": rate}
    taken = taken_names(autoencoder)  # a loss term with the name of a part has another meaning
    rows = [
        estimate_row(name, estimate, NATS, len(values), how)
        for name, estimate in estimates.items()
        if name == "elbo" or name not in taken
    ]
    return [*rows, bits_row("elbo_bits_per_dim", rows[0], _count_dimensions(subject))]


def check_density(subject: Subject) -> None:
    """Check that the model compares x with its reconstruction by a density.

    Raises:
        NotApplicable: If it does not, so that its distortion is not in nats.
    """
    comparison = comparison_of(subject.model)
    # A squared error is an energy without a normaliser, so no bound on log p(x) follows from it.
    if comparison is None:
        raise NotApplicable(f"{subject.member} has no reconstruction or likelihood with a density of x")
    if not isinstance(comparison, Likelihood):
        raise NotApplicable(f"the reconstruction {type(comparison).__name__} is not a density of x")


def distortion_of_tokens(subject: Subject) -> tuple[np.ndarray, Estimate]:
    """Return -log p(x | the encoder's tokens) of each row, f32[N], in nats, and its mean."""
    values = row_columns_of(subject).rows[codebook.DISTORTION.name]
    return values, Estimate(*mean_and_error(values))


def annealing(subject: Subject) -> Iterator[Part]:
    """Yield log p(x) by AIS, and on simulated rows the gap between its upper and lower bound."""
    _check_posterior(subject)
    # `Annealable` adds `prior_sample`: chains start from the prior.
    if not isinstance(subject.model, Annealable):
        raise NotApplicable("the model has no prior that chains can start from")
    yield part("ais ais_chains_mean ais_acceptance", _measure_annealing, subject)
    yield part("ais_sandwich", _measure_sandwich, subject)


def _check_posterior(subject: Subject) -> None:
    """Raise NotApplicable if the model lacks a density that these groups need."""
    if not subject.has_posterior:
        raise NotApplicable("the model has no posterior, log_likelihood and log_prior (JointDensity)")


def _measure_annealing(subject: Subject) -> list[Row]:
    """Return log p(x) by AIS, a lower bound of it, and the acceptance of the Hamiltonian transitions."""
    log_weights, acceptance = annealed_rows(subject)
    how = _describe_chains(subject)
    return [
        # log of the mean weight of the chains, as for importance samples; `bounds` wants draws first, [C, N].
        mean_row("ais", bounds.iwelbo(log_weights.T), "nats", f"log of the mean weight; {how}"),
        # Lower by Jensen's inequality. A large difference from `ais` means that chains disagree.
        mean_row("ais_chains_mean", log_weights.mean(axis=1), "nats", f"mean log-weight; {how}"),
        mean_row("ais_acceptance", acceptance, "share", f"accepted Hamiltonian proposals; {how}"),
    ]


def _measure_sandwich(subject: Subject) -> Row:
    """Return the bidirectional Monte Carlo gap on rows simulated from the model (Grosse et al., 2015).

    For a simulated row the code is known: it is an exact posterior draw, from which chains can run back to
    the prior. They give an upper bound of log p(x). A small gap shows that AIS is accurate for this model.
    """
    # The prior draws no labels.
    if subject.is_conditional:
        raise NotApplicable("rows can be simulated only from a model without a condition")
    autoencoder, key, num = subject.model, subject.key("simulated"), len(subject.slow_rows.x)
    if not isinstance(autoencoder, Simulated) or not isinstance(autoencoder.likelihood, SampledLikelihood):
        raise NotApplicable(
            "rows cannot be simulated from p(x|z): the model has no `likelihood` with `sample`"
        )
    z, simulated = simulate(autoencoder, subject.variables, key, num)
    lower, _ = anneal(subject, simulated)
    upper = -bounds.iwelbo(-anneal_back(subject, simulated, z).T)  # E[1 / w] = 1 / p(x) for these chains
    how = f"upper - lower bound of log p(x) on rows simulated from the model; {_describe_chains(subject)}"
    return mean_row("ais_sandwich", upper - bounds.iwelbo(lower.T), "nats", how)


def _describe_chains(subject: Subject) -> str:
    """Return the text for `how` of a measure by AIS."""
    settings = subject.settings
    chains = f"{settings.num_chains} chains, {settings.num_temperatures} temperatures"
    return f"{chains}; {pixels_as(subject)}"


@once
def annealed_rows(subject: Subject) -> tuple[Array, Array]:
    """Run the chains for `slow_rows` once; the groups annealing and gaps share them."""
    return anneal(subject, subject.slow_rows)


def anneal(subject: Subject, examples: Examples) -> tuple[Array, Array]:
    """Run AIS chains from the prior to the posterior of each row.

    Args:
        subject: Run and settings.
        examples: Rows, N of them.

    Returns:
        Log-weights f32[N, C], in nats, and the mean acceptance of each row f32[N].
    """
    return _map_chains(subject, examples, "annealing", is_back=False)


def anneal_back(subject: Subject, examples: Examples, z: Any) -> Array:
    """Run AIS chains back from exact posterior draws to the prior.

    Args:
        subject: Run and settings.
        examples: Simulated rows, N of them.
        z: Codes that the rows were decoded from, f32[N, L].

    Returns:
        Log-weights f32[N, C], in nats.
    """
    paired = examples._replace(y=z)  # codes take the place of labels, so that rows and codes stay together
    return _map_chains(subject, paired, "annealing back", is_back=True)[0]


def _map_chains(subject: Subject, examples: Examples, name: str, *, is_back: bool) -> tuple[Array, Array]:
    """Map `_run_chains_of_row` over rows, with the largest number of chains at once that memory allows."""
    settings, arguments = subject.settings, (subject.model, subject.variables)
    # Numbers of chains and temperatures are shapes of the program, so they cannot be traced.
    static = settings.num_chains, settings.num_temperatures, is_back
    key = subject.key(name)
    # Each chain decodes a code of its row: the memory of one row counts all its chains.
    return over_rows(_run_chains_of_row, arguments, examples, key, *static, num_draws=settings.num_chains)


def _run_chains_of_row(
    autoencoder: Annealable,
    variables: Variables,
    batch: Batch,
    stream: Stream,
    chains_at_once: int,
    num_chains: int,
    num_temperatures: int,
    is_back: bool,
) -> tuple[Array, Array]:
    """Return the log-weights f32[C] of the chains of one row, and their mean acceptance f32[]."""
    sizes: dict[str, Any] = {
        "num_chains": num_chains,
        "num_temperatures": num_temperatures,
        "chains_at_once": chains_at_once,
    }
    if is_back:
        row, z = batch._replace(y=()), batch.y
        chains = reversed_annealed(autoencoder, variables, row, z, stream.key, **sizes)
    else:
        chains = annealed(autoencoder, variables, batch, stream.key, **sizes)
    # A batch of one: [C, 1] -> [C].
    return chains.log_weights[:, 0], chains.acceptance[0]


def inference_gaps(subject: Subject) -> Iterator[Part]:
    """Yield the approximation gap, the amortisation gap and their sum (Cremer et al., 2018).

    log p(x) is by quadrature if the code is short enough, else by AIS.
    """
    _check_posterior(subject)
    yield part("approximation_gap amortisation_gap kl_to_posterior", _measure_gaps, subject)


def _measure_gaps(subject: Subject) -> list[Row]:
    """Return log p(x) - best ELBO of the family, best ELBO - ELBO of the encoder, and their sum."""
    if can_integrate(subject):
        evidence, method = on_grid(subject).log_evidence, "quadrature"
    else:
        evidence, method = bounds.iwelbo(annealed_rows(subject)[0].T), "ais"
    key = subject.key("gaps")
    result = gaps(subject.joint, subject.variables, subject.slow_rows, evidence, key)
    # 1000 is the default of `gaps`.
    how = f"best q(z|x) by 1000 steps of Adam for each row; log p(x) by {method}; {pixels_as(subject)}"
    return [
        mean_row("approximation_gap", result.approximation, "nats", how),
        mean_row("amortisation_gap", result.amortisation, "nats", how),
        # log p(x) - ELBO = KL(q(z|x) || p(z|x)).
        mean_row("kl_to_posterior", result.approximation + result.amortisation, "nats", how),
    ]


def exact(subject: Subject) -> Iterator[Part]:
    """Yield log p(x) by quadrature, for codes of one or two dimensions."""
    _check_posterior(subject)
    yield part("log_evidence", _measure_exact, subject)


def _measure_exact(subject: Subject) -> Row:
    """Return log p(x) on a grid of codes, with the error of the grid in `how`."""
    if not can_integrate(subject):
        size = subject.joint.latent_dim
        given = "a model with a condition" if subject.is_conditional else f"a code of {size} units"
        raise NotApplicable(
            f"quadrature: got {given}, expected a code of one or two units without a condition"
        )
    evidence = on_grid(subject)
    grid = f"trapezoidal rule on a grid of {subject.settings.num_points} points a unit"
    # The error of the worst row, since a mean would hide a single row with a narrow posterior.
    how = f"{grid}, largest error {float(np.max(evidence.error)):.1g} nats; {pixels_as(subject)}"
    return mean_row("log_evidence", evidence.log_evidence, "nats", how)


@once
def on_grid(subject: Subject) -> Evidence:
    """Return log p(x) of `slow_rows` on a grid, and the error of the grid, f32[N] each, in nats."""
    num = subject.settings.num_points
    return log_evidence(subject.joint, subject.variables, subject.slow_rows, num_points=num)


def can_integrate(subject: Subject) -> bool:
    """Return whether the code has one or two dimensions, so that a grid is possible, and no condition."""
    model = subject.model
    # The grid has num_points^L codes: three dimensions would already need 801^3 decoded codes.
    return isinstance(model, JointDensity) and model.latent_dim <= 2 and not subject.is_conditional


def pixels_as(subject: Subject) -> str:
    """Return the text for `how` that names the likelihood and how pixels were binarised.

    Nats of a density and of a mass, or of grey and of binary pixels, cannot be compared.
    """
    data: DataSpec = subject.result.experiment.data
    comparison = comparison_of(subject.model)
    # A model without a declared likelihood is named by its class.
    likelihood_name = subject.member if comparison is None else type(comparison).__name__
    binarisation = {
        "none": "pixels not binarised",
        "dynamic": "pixels binarised at random, held-out rows once",
        "static": "pixels binarised at random once",
        "threshold": "pixels binarised at 0.5",
    }[data.binarize]
    return f"{likelihood_name}; {binarisation}; no dequantisation"
