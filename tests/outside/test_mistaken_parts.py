"""Mistakes in a part of a user's own: one line before training that names the part, class and method."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import contract
from jaxae.contract import components
from jaxae.contract.trial import Trial
from jaxae.data import from_arrays
from jaxae.runs.experiment import resolve
from jaxae.specs import public
from jaxae.specs.pytree import is_spec, replace, required
from jaxae.types import Batch
from tests import small
from tests.outside import cases, members, parts

SIZE = 10


def broken(cls: type, **methods: Any) -> Any:
    """The class with other methods, named `Broken`."""
    return jaxae.spec(type("Broken", (cls,), {**methods, "__annotations__": {}, "__module__": __name__}))()


def gives(value: Any) -> Callable[..., Any]:
    """A method that gives always the same."""
    return lambda self, *arguments, **named: value


def refused(model: Any, **changes: Any) -> str:
    """The message with which an experiment is refused; one line."""
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    experiment = small.experiment(model, batch_size=SIZE, data=data, **changes)
    with pytest.raises(jaxae.JaxaeError) as caught:
        resolve(experiment, from_arrays(small.images(), small.labels(90), experiment.data))
    assert "\n" not in str(caught.value)
    return str(caught.value)


ROWS = jnp.zeros((SIZE, 2))
PIXELS = jnp.zeros((SIZE, 4, 4, 1))
VQ = {**cases.NETS, "grid": (2,), "code_dim": 3}
GAN = {**VQ, "quantiser": jaxae.EMACodebook(num_codes=4), "discriminator": jaxae.MLP(), "adaptive": False}


def vae(name: str, cls: type, **methods: Any) -> Any:
    """jaxae's VAE with one broken part."""
    return cases.vae(**{name: broken(cls, **methods)})


def reconstructing(cls: type, **methods: Any) -> Any:
    return jaxae.AE(**cases.NETS, reconstruction=broken(cls, **methods))


def quantising(**methods: Any) -> Any:
    return jaxae.VQVAE(**VQ, quantiser=broken(parts.CountingCodebook, **methods))


def quantised(**changes: Any) -> Callable[..., Any]:
    """`quantise` with another part of what it gives."""

    def quantise(self: Any, *arguments: Any) -> Any:
        return parts.CountingCodebook.quantise(self, *arguments)._replace(**changes)

    return quantise


def looking(cls: type, **methods: Any) -> Any:
    return jaxae.VQGAN(**GAN, perceptual=broken(cls, **methods))


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "a schedule of two numbers": (
        lambda: (
            vae("posterior", parts.LaplacePosterior)
            and cases.vae(beta=broken(parts.Decay, __call__=gives(jnp.zeros(2))))
        ),
        "beta: Broken.__call__ gave float32[2] for a batch of 10, expected shape ()",
    ),
    "a schedule without its step": (
        lambda: cases.vae(beta=broken(parts.Decay, __call__=lambda self: 1.0)),
        "beta: got Broken, expected float or Schedule; Broken.__call__ takes (), expected (step)",
    ),
    "a reconstruction of a list": (
        lambda: reconstructing(parts.AbsoluteError, output_shape=gives([4, 4, 1])),
        "reconstruction: Broken.output_shape gave a list of 3, expected a tuple of whole numbers",
    ),
    "a reconstruction without learned": (
        lambda: reconstructing(parts.AbsoluteError, parameters=lambda self, outputs: {"mean": outputs}),
        "reconstruction: Broken.parameters raised TypeError",
    ),
    "an averaged distortion": (
        lambda: reconstructing(parts.AbsoluteError, distortion=gives(jnp.zeros(()))),
        "reconstruction: Broken.distortion gave float32[] for a batch of 10, expected shape (10,)",
    ),
    "a flat mean": (
        lambda: reconstructing(parts.AbsoluteError, mean=gives(jnp.zeros((SIZE, 16)))),
        "reconstruction: Broken.mean gave float32[10, 16] for a batch of 10, expected shape (10,",
    ),
    "a likelihood of each pixel": (
        lambda: vae("likelihood", parts.Laplace, log_prob=gives(PIXELS)),
        "likelihood: Broken.log_prob gave float32[10, 4, 4, 1] for a batch of 10, expected shape (10,)",
    ),
    "a likelihood without event_ndim": (
        lambda: vae("likelihood", parts.TiltedUniform, log_prob=lambda self, parameters, x: ROWS[:, 0]),
        "likelihood: got Broken, expected Likelihood; Broken.log_prob takes (parameters, x), expected (param",
    ),
    "a sample of one": (
        lambda: vae("likelihood", parts.Laplace, sample=gives(PIXELS[0])),
        "likelihood: Broken.sample gave float32[4, 4, 1] for a batch of 10, expected shape (10,",
    ),
    "half an output": (
        lambda: vae("posterior", parts.LaplacePosterior, num_outputs=lambda self, latent_dim: 2.5),
        "posterior: Broken.num_outputs gave a float, expected a whole number",
    ),
    "a mean of all outputs": (
        lambda: vae("posterior", parts.LaplacePosterior, mean=lambda self, outputs: outputs),
        "posterior: Broken.mean gave float32[10, 4] for a batch of 10, expected shape (10, 2)",
    ),
    "draws without their density": (
        lambda: vae("posterior", parts.SinhPosterior, sample=gives(ROWS)),
        "posterior: Broken.sample gave float32[10, 2], expected a pair: z and log q(z|x)",
    ),
    "draws of one sample": (
        lambda: vae("posterior", parts.SinhPosterior, sample=gives((ROWS, ROWS[:, 0]))),
        "posterior: Broken.sample gave float32[10, 2] for a batch of 10, expected shape (11, 10, 2)",
    ),
    "a KL of each dimension": (
        lambda: vae("posterior", parts.SharedNoise, kl=gives(ROWS)),
        "posterior: Broken.kl gave float32[10, 2] for a batch of 10, expected shape (10,)",
    ),
    "a summed KL": (
        lambda: vae("posterior", parts.LaplacePosterior, kl_per_dim=gives(ROWS[:, 0])),
        "posterior: Broken.kl_per_dim gave float32[10] for a batch of 10, expected shape (10, 2)",
    ),
    "a density of each dimension": (
        lambda: vae("posterior", parts.LogisticPosterior, log_prob=lambda self, outputs, z: z),
        "posterior: Broken.log_prob gave float32[11, 10, 2] for a batch of 10, expected shape (11, 10)",
    ),
    "a prior that needs no shape": (
        lambda: vae("prior", parts.LogisticPrior, init=lambda self, key: {}),
        "prior: got Broken, expected Prior; Broken.init takes (key), expected (key, latent_dim, data_shape)",
    ),
    "a prior of each dimension": (
        lambda: vae("prior", parts.LogisticPrior, log_prob=lambda self, params, z, components: z),
        "prior: Broken.log_prob gave float32[11, 10, 2] for a batch of 10, expected shape (11, 10)",
    ),
    "a draw of a prior": (
        lambda: vae("prior", parts.UnitNormal, sample=gives(ROWS[0])),
        "prior: Broken.sample gave float32[2] for a batch of 10, expected shape (11, 2)",
    ),
    "a likelihood as a prior": (
        lambda: cases.vae(prior=parts.Laplace()),
        "prior: got Laplace, expected Prior; Laplace.init takes (), expected (key, latent_dim, data_shape)",
    ),
    "a reconstruction as a likelihood": (
        lambda: cases.vae(likelihood=parts.AbsoluteError()),
        "likelihood: got AbsoluteError, expected Likelihood, which has log_prob",
    ),
    "a tuple of codes": (
        lambda: quantising(quantise=gives((ROWS, ROWS))),
        "quantiser: Broken.quantise gave a tuple of 2, expected jaxae.Quantised",
    ),
    "tokens that are floats": (
        lambda: quantising(tokens=gives(jnp.zeros((SIZE, 3)))),
        "quantiser: Broken.tokens gave dtype float32, expected whole numbers",
    ),
    "values of tokens": (
        lambda: quantising(quantise=quantised(values=jnp.zeros((SIZE, 3)))),
        "quantiser: Broken.quantise gave float32[10, 3] for a batch of 10, expected shape (10, 3, 3)",
    ),
    "no weight of a term": (
        lambda: quantising(weights=gives({"codebook": 1.0})),
        "quantiser: Broken.weights gave ['codebook'], but quantise has the terms ['codebook', 'com",
    ),
    "an array that is carried": (
        lambda: quantising(init=gives(jaxae.Variables({"table": jnp.zeros((4, 3))}, jnp.zeros(4)))),
        "quantiser: Broken.init gave extra as float32[4], expected a dict, to be merged with the model's",
    ),
    "a corruption without its choice": (
        lambda: jaxae.DenoisingAE(**cases.NETS, corruption=broken(parts.ErasedRows, corrupt=gives(PIXELS))),
        "corruption: Broken.corrupt gave float32[10, 4, 4, 1], expected a pair",
    ),
    "a choice of numbers": (
        lambda: jaxae.DenoisingAE(
            **cases.NETS, corruption=broken(parts.ErasedRows, corrupt=gives((PIXELS, PIXELS)))
        ),
        "corruption: Broken.corrupt gave dtype float32, expected booleans",
    ),
    "one distance": (
        lambda: looking(parts.EdgeDistance, distances=gives(jnp.zeros(()))),
        "perceptual: Broken.distances gave float32[] for a batch of 10, expected shape (10,)",
    ),
    "a loss without a weight": (
        lambda: looking(parts.BrightnessFeatures, weights=gives({})),
        "perceptual: Broken.weights gave [], but losses has ['brightness']",
    ),
    "an optimiser of a perceptual loss": (
        lambda: jaxae.VQGAN(
            **GAN, perceptual=parts.BrightnessFeatures(optimizer=broken(parts.SignDescent, build=gives(None)))
        ),
        "perceptual.optimizer: Broken.build raised AttributeError",
    ),
    "an optimiser of a group": (
        lambda: members.GreedyClassifier(head_optimizer=broken(parts.SignDescent, build=gives(None))),
        "head_optimizer: Broken.build raised AttributeError",
    ),
    "fields that do not fit": (
        lambda: jaxae.DenoisingAE(**cases.NETS, corruption=parts.ErasedRows(least=3)),
        "corruption: least: got 3, more than most, 2",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_part_is_named_in_one_line(name: str) -> None:
    make, message = MISTAKES[name]
    assert f"model.{message}" in refused(make())


def test_a_mistake_in_an_optimiser_is_named_in_one_line() -> None:
    message = refused(cases.vae(), optimizer=broken(parts.SignDescent, build=lambda self, params: None))
    assert message == "optimizer: got Broken, expected Optimizer; Broken.build takes (params), expected ()"
    message = refused(cases.vae(), optimizer=broken(parts.SignDescent, build=gives(None)))
    assert message.startswith("optimizer: Broken.build raised AttributeError for examples of shape (4, 4, 1)")


def tokens_refused(cls: type, condition: Any = None, y: Any = (), **methods: Any) -> str:
    """The message with which a model of three tokens of four codes is refused."""
    model = broken(cls, **methods)
    for name, value in {"num_codes": 4, "num_positions": 3, "condition": condition}.items():
        model = replace(model, name, value)
    batch = Batch(jax.ShapeDtypeStruct((SIZE, 3, 1), np.float32), y)  # type: ignore[arg-type]
    with pytest.raises(jaxae.JaxaeError) as caught:
        contract.check(model, batch)
    assert "\n" not in str(caught.value)
    return str(caught.value)


LABELS = jax.ShapeDtypeStruct((SIZE,), np.int32)
MISTAKES_OF_TOKENS: dict[str, tuple[dict[str, Any], str]] = {
    "logits of one position": (
        {"cls": members.MarkovTokens, "logits": gives(ROWS)},
        "model: Broken.logits gave float32[10, 2] for a batch of 10, expected shape (10, 3, 4)",
    ),
    "logits without a prefix": (
        {
            "cls": members.MarkovTokens,
            "logits": lambda self, x: x,
        },
        "model: Broken.logits raised TypeError",
    ),
    "a null prefix of another length": (
        {"cls": members.MarkovTokens, "null_prefix": lambda self, num: jnp.zeros((num, 2), jnp.int32)}
        | {"condition": parts.Parity(), "y": LABELS},
        "model: Broken.null_prefix gave int32[10, 2] for a batch of 10, expected shape (10, 1)",
    ),
    "ids of no position": (
        {"cls": members.MarkovTokens, "y": LABELS, "condition": broken(parts.Parity, ids=lambda self, y: y)},
        "model.condition: Broken.ids gave int32[10] for a batch of 10, expected shape (10, 1)",
    ),
    "another cache": (
        {
            "cls": members.SummingTokens,
            "trunk": lambda self, params, rows, cache, start: (rows, jnp.zeros((cache.shape[0], 1))),
        },
        "model: Broken.trunk gave a cache with other shapes or dtypes than it got",
    ),
    "no cache": (
        {
            "cls": members.SummingTokens,
            "trunk": lambda self, params, rows, cache, start: rows,
        },
        "model: Broken.trunk gave float32[10, 0, 5], expected a pair: the outputs and the new cache",
    ),
    "a head of vectors": (
        {
            "cls": members.SummingTokens,
            "head": lambda self, params, outputs: outputs,
        },
        "model: Broken.head gave float32[10, 1, 5] for a batch of 10, expected shape (10, 1, 4)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES_OF_TOKENS)
def test_a_mistake_in_a_model_of_tokens_is_named_in_one_line(name: str) -> None:
    arguments, message = MISTAKES_OF_TOKENS[name]
    assert message in tokens_refused(**arguments)


# What a part of jaxae needs besides its defaults.
FIELDS: dict[str, dict[str, Any]] = {
    "Piecewise": {"values": (1.0, 2.0), "boundaries": (3.0,)},
    "Labels": {"num_classes": 3},
    "Text": {"vocabulary": ("a", "b"), "length": 2},
}
OWN = {cls.__name__: cls for cls in public.classes() if is_spec(cls)}


def part_of_jaxae(cls: type) -> Any:
    needed = dict.fromkeys(required(cls), 1.0)
    return cls(**{**needed, **FIELDS.get(cls.__name__, {})})


# The last in the order of the dict is the first of `ATTEMPTS` that the part fulfils.
ATTEMPTED = {
    name: attempt
    for name, cls in OWN.items()
    for protocol, attempt in reversed(components.ATTEMPTS)
    if isinstance(part_of_jaxae(cls), protocol)
}


@pytest.mark.parametrize("name", ATTEMPTED)
def test_every_public_part_of_jaxae_passes_the_trial_of_a_users_own(name: str) -> None:
    side = 32 if name == "LPIPS" else 4
    y = (SIZE, 2) if name == "Text" else (SIZE,)
    batch = Batch(jnp.zeros((SIZE, side, side, 1)), jax.ShapeDtypeStruct(y, np.int32))
    part = Trial(part_of_jaxae(OWN[name]), batch, where=f"part.{name}")
    part = part._replace(variables=jaxae.Variables({"w": jnp.zeros(3)}))
    ATTEMPTED[name](part, None)


def test_parts_of_jaxae_of_every_kind_are_tried() -> None:
    assert set(ATTEMPTED.values()) == {attempt for _, attempt in components.ATTEMPTS}
