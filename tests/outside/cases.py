"""Experiments made of a user's own classes, and of each a hyperparameter to sweep."""

from pathlib import Path
from typing import Any, NamedTuple

import jaxae
from jaxae.runs.result import Result
from jaxae.specs.pytree import paths
from tests import small
from tests.outside import members, parts

NETS: dict[str, Any] = {"encoder": jaxae.MLP(widths=(6,)), "decoder": jaxae.MLP(widths=(6,))}
TRUNK = jaxae.Transformer(width=8, num_layers=1, num_heads=2)
QUICK = {"num_samples": 20, "num_slow": 3, "num_chains": 4, "num_temperatures": 20, "num_points": 81}


class Case(NamedTuple):
    """A model, what is swept of it, and what else the experiment has."""

    model: Any
    over: dict[str, list[Any]]
    changes: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def vae(**changes: Any) -> Any:
    """jaxae's VAE with a user's parts."""
    return jaxae.VAE(**{**NETS, "latent_dim": 2, **changes})


CASES: dict[str, Case] = {
    "density without codes": Case(members.IndependentPixels(), {"optimizer.learning_rate": [3e-3, 1e-2]}),
    "batch normalisation": Case(members.NormalisedAE(), {"model.activation": ["relu", "sigmoid"]}),
    "optimiser and phases": Case(
        members.GreedyClassifier(), {"model.head_optimizer.learning_rate": [0.01, 0.02]}
    ),
    "exact likelihood": Case(members.ProbabilisticPCA(), {"model.weight_std": [1.0, 3.0]}),
    "own VAE, own parts": Case(
        members.LinearVAE(num_classes=3), {"model.likelihood.initial_scale": [0.2, 0.3]}
    ),
    "tokenizer": Case(members.StepTokenizer(), {"model.reconstruction.initial_scale": [0.2, 0.3]}),
    "tokenizer without grid": Case(members.BitTokenizer(), {"model.num_bits": [2, 3]}),
    "sampled likelihood, factorised posterior, schedule, optimiser": Case(
        vae(
            likelihood=parts.Laplace(),
            posterior=parts.LaplacePosterior(),
            prior=parts.UnitNormal(),
            beta=parts.Decay(start=2.0),
        ),
        {"model.beta.rate": [0.01, 0.1]},
        {"optimizer": parts.SignDescent(learning_rate=parts.Decay(start=0.01))},
    ),
    "likelihood of the unit interval, plain posterior": Case(
        vae(likelihood=parts.TiltedUniform(), posterior=parts.SinhPosterior()),
        {"model.beta": [0.5, 1.0]},
    ),
    "likelihood of levels, closed KL": Case(
        vae(likelihood=parts.Binomial(), posterior=parts.SharedNoise()),
        {"model.likelihood.num_levels": [256]},
    ),
    "density of a posterior, learned prior": Case(
        jaxae.IWAE(
            **NETS,
            latent_dim=2,
            posterior=parts.LogisticPosterior(),
            prior=parts.LogisticPrior(),
            estimator="dreg",
            num_samples=2,
        ),
        {"model.num_samples": [2, 3]},
    ),
    "diagonal posterior, prior of posteriors": Case(
        vae(posterior=parts.IsotropicGaussian(), prior=parts.PseudoInputs()),
        {"model.prior.num_components": [2, 3]},
    ),
    "corruption, reconstruction": Case(
        jaxae.DenoisingAE(**NETS, corruption=parts.ErasedRows(), reconstruction=parts.AbsoluteError()),
        {"model.corruption.most": [2, 3]},
    ),
    "quantiser": Case(
        jaxae.VQVAE(**NETS, grid=(2,), code_dim=3, quantiser=parts.CountingCodebook()),
        {"model.quantiser.commitment": [0.1, 0.25]},
    ),
    "quantiser of one code_dim, learned perceptual loss": Case(
        jaxae.VQGAN(
            **NETS,
            grid=(2,),
            code_dim=2,
            quantiser=parts.SignQuantiser(),
            discriminator=jaxae.MLP(widths=(4,)),
            last_layer="Dense_1",
            perceptual=parts.BrightnessFeatures(),
        ),
        {"model.perceptual_weight": [0.5, 1.0]},
    ),
    "perceptual loss": Case(
        jaxae.VQGAN(
            **NETS,
            grid=(2,),
            code_dim=3,
            quantiser=parts.CountingCodebook(),
            discriminator=jaxae.MLP(widths=(4,)),
            adaptive=False,
            perceptual=parts.EdgeDistance(),
        ),
        {"model.perceptual_weight": [0.5, 1.0]},
    ),
}


# Of each, the condition and the kind of data: tokens of `StepTokenizer`.
TOKEN_MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "Markov chain, labels": (members.MarkovTokens, {"condition": parts.Parity()}),
    "Markov chain, captions": (members.MarkovTokens, {"condition": parts.WordPair()}),
    "cache": (members.SummingTokens, {}),
    "cache, captions": (members.SummingTokens, {"condition": parts.WordPair()}),
    "jaxae's prior, own labels": (jaxae.TokenPrior, {"net": TRUNK, "condition": parts.Parity()}),
    "jaxae's prior, own captions": (jaxae.TokenPrior, {"net": TRUNK, "condition": parts.WordPair()}),
}


def nodes(case: Case) -> list[Any]:
    """The model, the optimiser, and the parts of both at any depth."""
    roots = [case.model, *case.changes.values()]
    return [*roots, *(value for root in roots for _, _, value in paths(root))]


def experiment(name: str, **changes: Any) -> jaxae.Experiment:
    """Three epochs of a case; 50 training rows in batches of 10."""
    case = CASES[name]
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    settings = {"model": case.model, "data": data, **case.changes, **changes}
    return small.experiment(settings.pop("model"), **settings)


def fitted(name: str, run_dir: Path | None = None, **changes: Any) -> Result:
    """A trained case."""
    return jaxae.fit(experiment(name, **changes), small.images(), small.labels(90), run_dir=run_dir)
