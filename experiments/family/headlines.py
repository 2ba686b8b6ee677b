"""Define the headline measure of each member, and its vanilla counterpart of the same size."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import jaxae
from jaxae import keys
from jaxae.autoencoders.base.pairs import Pair
from jaxae.autoencoders.base.variational import Variational
from jaxae.maths.divergences import mmd
from jaxae.specs.pytree import replace
from jaxae.types import Batch

KEY = 7  # seed of the random draws in the measures


class Headline(NamedTuple):
    """Measure of a trained member on the test split."""

    title: str
    measure: Callable[[Any, jaxae.Variables, Batch, jaxae.Result], float]
    against: str  # name of the vanilla counterpart


def headline(name: str, result: jaxae.Result) -> float:
    """Return the headline measure of member `name` on the test split of any run."""
    test = result.run.dataset.test
    batch = Batch(jnp.asarray(test.x, jnp.float32) / test.scale, jnp.asarray(test.y))
    return float(HEADLINES[name].measure(result.run.experiment.model, result.variables, batch, result))


def vanilla(experiment: jaxae.Experiment) -> jaxae.Experiment:
    """Return the experiment with the vanilla counterpart of its member, built from the same nets.

    The counterpart is the AE, or the VAE for a variational member. The AE itself is compared with a linear
    AE, the VAE with the AE, and a stack with training on labels only.
    """
    member: Any = experiment.model
    if isinstance(member, jaxae.Stacked):
        return replace(experiment, "model.stage_steps", 0.0)
    return dataclasses.replace(experiment, model=plain(member))


def plain(member: Any) -> Any:
    """Return the vanilla counterpart of a member."""
    if isinstance(member, jaxae.AE):
        return dataclasses.replace(member, encoder=jaxae.MLP(widths=()), decoder=jaxae.MLP(widths=()))
    if isinstance(member, jaxae.TwoLayerVAE):
        return jaxae.VAE(**parts(member, "encoder", "decoder", "latent_dim", "likelihood"))
    if type(member) is jaxae.VAE and not member.num_classes:
        return jaxae.AE(**parts(member, "encoder", "decoder", "latent_dim"))
    if isinstance(member, Pair):
        return jaxae.AE(**parts(member, *fields(Pair)))
    return jaxae.VAE(**{**parts(member, *fields(Variational)), "num_classes": 0})


def parts(member: Any, *names: str) -> dict[str, Any]:
    """Return the named fields of a member."""
    return {name: getattr(member, name) for name in names}


def fields(cls: Any) -> list[str]:
    """Return the names of a spec's fields."""
    return [field.name for field in dataclasses.fields(cls)]


def score(name: str) -> Callable[..., float]:
    """Return a measure that reads one of the run's test scores."""
    return lambda autoencoder, variables, batch, result: result.scores["test"][name]


def masked_error(autoencoder: Any, variables: jaxae.Variables, batch: Batch, result: jaxae.Result) -> float:
    """Measure the squared error of reconstructions from images with a quarter of the pixels masked.

    The reconstructions are compared with the clean images.
    """
    corrupted, _ = jaxae.distributions.Masking(rate=0.25).corrupt(batch.x, keys.root(KEY))
    z = autoencoder.encode(variables, Batch(corrupted))
    image = autoencoder.image(autoencoder.decode(variables, z))
    return float(((image - batch.x) ** 2).sum(axis=(1, 2, 3)).mean())


def share_active(autoencoder: Any, variables: jaxae.Variables, batch: Batch, result: jaxae.Result) -> float:
    """Measure the mean activation of sigmoid units, or else the share of units that are not 0; in %."""
    codes = autoencoder.encode(variables, batch)
    return 100.0 * float((codes if autoencoder.activation == "sigmoid" else codes != 0).mean())


def contraction(autoencoder: Any, variables: jaxae.Variables, batch: Batch, result: jaxae.Result) -> float:
    """Measure |J_f(x)|_F^2, the mean over the split."""
    member = jaxae.ContractiveAE(**parts(autoencoder, *fields(Pair)))
    return float(member.contraction(variables.params, batch.x, keys.root(KEY)).mean())


def discrepancy(autoencoder: Any, variables: jaxae.Variables, batch: Batch, result: jaxae.Result) -> float:
    """Measure 1000 MMD^2 between the codes (draws from q) and N(0, I)."""
    code_key, prior_key = jax.random.split(keys.root(KEY))
    if hasattr(autoencoder, "posterior"):
        codes = autoencoder.draw(variables, batch, code_key, 1).z[0]
    else:
        codes = autoencoder.encode(variables, batch)
    return 1000.0 * float(mmd(codes, keys.normal(prior_key, codes.shape), "imq"))


def correlation(autoencoder: Any, variables: jaxae.Variables, batch: Batch, result: jaxae.Result) -> float:
    """Estimate the total correlation TC(z) in nats.

    The estimate is the same for every member: one draw for each test image.
    """
    member = jaxae.BetaTCVAE(**parts(autoencoder, *fields(Variational)), num_examples=len(batch.x))
    return float(member.terms(variables, batch, keys.root(KEY))[0]["total_correlation"].mean())


SAME_AE, SAME_VAE = "AE of its nets", "VAE of its nets"
HEADLINES = {
    "ae": Headline("squared error", score("squared_error"), "linear AE"),
    "denoising": Headline("squared error from masked images", masked_error, SAME_AE),
    "kl_sparse": Headline("mean activation, %", share_active, SAME_AE),
    "l1_sparse": Headline("active units, %", share_active, SAME_AE),
    "topk": Headline("active units, %", share_active, SAME_AE),
    "jump": Headline("active units, %", share_active, SAME_AE),
    "winners": Headline("active units, %", share_active, SAME_AE),
    "contractive": Headline("squared norm of the Jacobian", contraction, SAME_AE),
    "stacked": Headline("error rate of the head", score("error_rate"), "labels only"),
    "vae": Headline("1000 MMD² of codes and prior", discrepancy, SAME_AE),
    "conditional": Headline("ELBO, nats", score("elbo"), "VAE without labels"),
    "iwae": Headline("IWELBO of 64 samples, nats", score("iwelbo_64"), SAME_VAE),
    "beta_tc": Headline("total correlation, nats", correlation, SAME_VAE),
    "factor": Headline("total correlation, nats", correlation, SAME_VAE),
    "info": Headline("rate, nats", score("rate"), SAME_VAE),
    "wae": Headline("1000 MMD² of codes and prior", discrepancy, SAME_AE),
    "adversarial": Headline("1000 MMD² of codes and prior", discrepancy, SAME_AE),
    "two_layer": Headline("IWELBO of 64 samples, nats", score("iwelbo_64"), SAME_VAE),
}
