"""Models as a user of jaxae writes them, and for each protocol of `jaxae.protocols` what fulfils it.

Only public names are used. Parts are in `tests/outside/parts.py`. The lists at the end have the protocols as
types, so that mypy compares every signature. B batch, S samples, L latent dimension, P positions, D pixels of
an example, K codes, W width.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, Self, TypeVar

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt
from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike

import jaxae
from jaxae import protocols
from jaxae.protocols import (
    Condition,
    DataDependent,
    Likelihood,
    Optimizer,
    Posterior,
    Prior,
    Reconstruction,
    StandardPrior,
    TrainingData,
)
from tests.outside import parts

Terms = dict[str, Array]
Params = Mapping[str, Array]


@jaxae.spec
class IndependentPixels:
    """p(x) = prod Bernoulli(x_i; sigmoid(l_i)): a density, no codes. Its optimum is the mean image."""

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        return jaxae.Variables({"logits": jnp.zeros(batch.x.shape[1:])})

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        return {"cross_entropy": -self.log_prob(variables, batch)}, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"cross_entropy": 1.0}

    def log_prob(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        logits: Array = variables.params["logits"][None]
        x = batch.x
        each = x * jax.nn.log_sigmoid(logits) + (1 - x) * jax.nn.log_sigmoid(-logits)
        return each.sum(axis=tuple(range(1, x.ndim)))


class Normalised(nn.Module):
    """Two layers each way, with batch normalisation of the code."""

    latent_dim: int
    activation: str
    size: int
    is_training: bool

    def setup(self) -> None:
        self.code = nn.Dense(self.latent_dim, use_bias=False)
        self.norm = nn.BatchNorm(use_running_average=not self.is_training, momentum=0.9)
        self.out = nn.Dense(self.size)

    def encode(self, x: Array) -> Array:
        features = self.norm(self.code(x.reshape(x.shape[0], -1)))
        return nn.relu(features) if self.activation == "relu" else nn.sigmoid(features)

    def decode(self, z: Array) -> Array:
        return self.out(z)

    def __call__(self, x: Array) -> Array:
        return self.decode(self.encode(x))


@jaxae.spec
class NormalisedAE:
    """Autoencoder with batch normalisation; `extra` carries the running averages that evaluate it."""

    latent_dim: Annotated[int, Gt(0)] = 3
    activation: Literal["relu", "sigmoid"] = "relu"
    reconstruction: Reconstruction = parts.AbsoluteError()
    data_shape: tuple[int, ...] = ()

    @property
    def batch_terms(self) -> tuple[str, ...]:
        return ("distortion",)

    @property
    def min_batch(self) -> int:
        return 2

    @property
    def has_exact_zeros(self) -> bool:
        return self.activation == "relu"

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        made = self._net(False).init(key, batch.x)
        learned = self.reconstruction.init()
        return jaxae.Variables({"net": made["params"], "own": learned}, made["batch_stats"])

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        outputs, changed = self._net(True).apply(collections(variables), batch.x, mutable=["batch_stats"])
        return self._distortion(variables, outputs, batch), changed["batch_stats"]

    def evaluation_terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> Terms:
        return self._distortion(variables, self._evaluated(variables, batch.x, "__call__"), batch)

    def weights(self, step: Array) -> dict[str, float]:
        return {"distortion": 1.0}

    def term_units(self) -> dict[str, str]:
        own: object = self.reconstruction
        return {"distortion": own.unit if isinstance(own, protocols.HasUnit) else "nats"}

    def encode(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self._evaluated(variables, batch.x, "encode")

    def decode(self, variables: jaxae.Variables, z: Array, y: object = ()) -> Terms:
        return self._parameters(variables, self._evaluated(variables, z, "decode"))

    def image(self, parameters: Terms) -> Array:
        return self.reconstruction.mean(parameters)

    def _parameters(self, variables: jaxae.Variables, outputs: Array) -> Terms:
        shape = self.reconstruction.output_shape(self.data_shape)
        return self.reconstruction.parameters(outputs.reshape(-1, *shape), variables.params["own"])

    def _distortion(self, variables: jaxae.Variables, outputs: Array, batch: jaxae.Batch) -> Terms:
        parameters = self._parameters(variables, outputs)
        return {"distortion": self.reconstruction.distortion(parameters, batch.x, len(self.data_shape))}

    def _evaluated(self, variables: jaxae.Variables, inputs: Array, method: str) -> Array:
        outputs = self._net(False).apply(collections(variables), inputs, method=method)
        assert isinstance(outputs, Array)
        return outputs

    def _net(self, is_training: bool) -> Normalised:
        size = math.prod(self.reconstruction.output_shape(self.data_shape))
        return Normalised(self.latent_dim, self.activation, size, is_training)


def collections(variables: jaxae.Variables) -> dict[str, Params]:
    """The variables as flax has them."""
    return {"params": variables.params["net"], "batch_stats": variables.extra}


@jaxae.spec
class GreedyClassifier:
    """A linear autoencoder for `start` steps; from then on a head of labels learns on its codes, alone."""

    num_classes: Annotated[int, Ge(0)] = 3
    start: Annotated[float, Ge(0)] = 7.0
    head_optimizer: Optimizer = parts.SignDescent()
    latent_dim: Annotated[int, Gt(0)] = 4

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        size = math.prod(batch.x.shape[1:])
        first_key, second_key = jax.random.split(key)
        encoder = jax.random.normal(first_key, (size, self.latent_dim)) / math.sqrt(size)
        decoder = jax.random.normal(second_key, (self.latent_dim, size)) / math.sqrt(self.latent_dim)
        head = jnp.zeros((self.latent_dim, self.num_classes))
        return jaxae.Variables({"encoder": encoder, "decoder": decoder, "head": head})

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        z = self.encode(variables, batch)
        again = self.decode(variables, z)["mean"]
        error = ((flat(batch.x) - again) ** 2).sum(axis=1)
        wrong = optax.softmax_cross_entropy_with_integer_labels(self._head(variables, z), batch.y)
        return {"squared_error_sum": error, "label": wrong}, variables.extra

    def weights(self, step: Array) -> dict[str, ArrayLike]:
        return {"squared_error_sum": 1.0, "label": 1.0}

    def term_units(self) -> dict[str, str]:
        return {"squared_error_sum": "data unit squared, summed over an example", "label": "nats"}

    def optimizers(self) -> dict[str, Optimizer]:
        return {"head": self.head_optimizer}

    def trained(self, step: Array) -> dict[str, Array]:
        is_greedy = step < self.start
        return {"encoder": is_greedy, "decoder": is_greedy, "head": ~is_greedy}

    def encode(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        encoder: Array = variables.params["encoder"]
        return flat(batch.x) @ encoder

    def decode(self, variables: jaxae.Variables, z: Array, y: object = ()) -> Terms:
        return {"mean": z @ variables.params["decoder"]}

    def image(self, parameters: Terms) -> Array:
        side = math.isqrt(parameters["mean"].shape[1])
        return parameters["mean"].reshape(-1, side, side, 1)

    def logits(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self._head(variables, self.encode(variables, batch))

    def _head(self, variables: jaxae.Variables, z: Array) -> Array:
        head: Array = variables.params["head"]
        return jax.lax.stop_gradient(z) @ head


def flat(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


@jaxae.spec
class ProbabilisticPCA:
    """x = m + W z + s e, z ~ N(0, I), e ~ N(0, I): log p(x) is known (Tipping & Bishop, 1999).

    m is the mean of the training rows. loss = D + R + |W|^2 / (2 t^2 N), the last minus the log of a prior
    N(0, t^2) over W for one of N examples. It has no `likelihood`, no `prior` and no `data_shape`.
    """

    latent_dim: Annotated[int, Gt(0)] = 2
    num_samples: Annotated[int, Gt(0)] = 1
    weight_std: Annotated[float, Gt(0)] = 3.0
    posterior: Posterior = parts.IsotropicGaussian()
    num_examples: Annotated[int, Ge(0)] = 0
    pixel_mean: tuple[float, ...] = ()

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion", "rate")

    def fitted(self, dataset: TrainingData) -> Self:
        """With the mean of the training rows, in the model's unit."""
        mean = (dataset.train.x / dataset.train.scale).reshape(len(dataset.train.x), -1).mean(axis=0)
        return dataclasses.replace(self, pixel_mean=self.pixel_mean or tuple(map(float, mean)))

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        size, num_outputs = math.prod(batch.x.shape[1:]), self.posterior.num_outputs(self.latent_dim)
        decoder_key, encoder_key = jax.random.split(key)
        decoder = {
            "w": 0.3 * jax.random.normal(decoder_key, (self.latent_dim, size)),
            "log_std": jnp.full((), -1.0),
        }
        encoder = 0.1 * jax.random.normal(encoder_key, (size, num_outputs))
        return jaxae.Variables({"decoder": decoder, "encoder": encoder, "bias": jnp.zeros(num_outputs)})

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        distortion, rate = self.elbo_parts(variables, batch, key, self.num_samples)
        weights: Array = variables.params["decoder"]["w"]
        decay = (weights**2).sum() / (2 * self.weight_std**2 * self.num_examples)
        return {
            "distortion": distortion,
            "rate": rate,
            "decay": jnp.broadcast_to(decay, rate.shape),
        }, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"distortion": 1.0, "rate": 1.0, "decay": 1.0}

    def term_units(self) -> dict[str, str]:
        return dict.fromkeys(("distortion", "rate", "decay"), "nats")

    def infer(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        encoder: Array = variables.params["encoder"]
        bias: Array = variables.params["bias"]
        return self._centred(batch) @ encoder + bias[None]

    def encode(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self.posterior.mean(self.infer(variables, batch))

    def decode(self, variables: jaxae.Variables, z: Array, y: object = ()) -> Terms:
        return {"mean": z @ variables.params["decoder"]["w"] + self._mean()[None]}

    def image(self, parameters: Terms) -> Array:
        side = math.isqrt(len(self.pixel_mean))
        return parameters["mean"].reshape(-1, side, side, 1)

    def log_likelihood(self, variables: jaxae.Variables, batch: jaxae.Batch, z: Array) -> Array:
        decoder = variables.params["decoder"]
        mean: Array = z @ decoder["w"]
        log_var: Array = 2 * decoder["log_std"]
        return parts.normal_log_prob(self._centred(batch)[None], mean, log_var).sum(axis=-1)

    def log_prior(self, variables: jaxae.Variables, z: Array) -> Array:
        return parts.normal_log_prob(z, jnp.zeros(()), jnp.zeros(())).sum(axis=-1)

    def prior_sample(self, variables: jaxae.Variables, key: Array, num: int) -> Array:
        return jax.random.normal(key, (num, self.latent_dim))

    def log_weights(
        self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array, num_samples: int
    ) -> Array:
        z, log_posterior = self.posterior.sample(self.infer(variables, batch), key, num_samples)
        log_joint = self.log_likelihood(variables, batch, z) + self.log_prior(variables, z)
        return log_joint - log_posterior

    def elbo_parts(
        self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array, num_samples: int
    ) -> tuple[Array, Array]:
        z, log_posterior = self.posterior.sample(self.infer(variables, batch), key, num_samples)
        distortion = -self.log_likelihood(variables, batch, z).mean(axis=0)
        return distortion, (log_posterior - self.log_prior(variables, z)).mean(axis=0)

    def elbo(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array, num_samples: int) -> Array:
        distortion, rate = self.elbo_parts(variables, batch, key, num_samples)
        return -distortion - rate

    def log_prob(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        """log N(x; m, W W' + s^2 I), by the inverse and the determinant of I + W' W / s^2."""
        weights: Array = variables.params["decoder"]["w"]
        log_std: Array = variables.params["decoder"]["log_std"]
        x, precision = self._centred(batch), jnp.exp(-2 * log_std)
        middle = jnp.eye(self.latent_dim) + weights @ weights.T * precision
        along = x @ weights.T * precision
        projected: Array = jnp.linalg.solve(middle, along.T).T
        square = (x**2).sum(axis=1) * precision - (along * projected).sum(axis=1)
        log_det: Array = jnp.linalg.slogdet(middle)[1] + 2 * x.shape[1] * log_std
        return -(x.shape[1] * parts.LOG_TWO_PI + log_det + square) / 2

    def _mean(self) -> Array:
        return jnp.stack([jnp.asarray(mean, float) for mean in self.pixel_mean])

    def _centred(self, batch: jaxae.Batch) -> Array:
        return flat(batch.x) - self._mean()[None]


@jaxae.spec
class LinearVAE:
    """A VAE with linear nets whose decoder also sees labels, and whose parts are any that jaxae knows of."""

    latent_dim: Annotated[int, Gt(0)] = 2
    likelihood: Likelihood = parts.Laplace()
    posterior: Posterior = parts.LaplacePosterior()
    prior: Prior = parts.UnitNormal()
    num_classes: Annotated[int, Ge(0)] = 0
    data_shape: tuple[int, ...] = ()

    def condition(self, y: Array | tuple[()]) -> Array | tuple[()]:
        return jax.nn.one_hot(y, self.num_classes) if self.num_classes else ()

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        encoder_key, decoder_key, prior_key = jax.random.split(key, 3)
        size, num_outputs = math.prod(self.data_shape), self.posterior.num_outputs(self.latent_dim)
        num_inputs = self.latent_dim + self.num_classes + 1  # the last is for the bias
        shape = num_inputs, math.prod(self.likelihood.output_shape(self.data_shape))
        return jaxae.Variables(
            {
                "encoder": 0.1 * jax.random.normal(encoder_key, (size, num_outputs)),
                "decoder": 0.3 * jax.random.normal(decoder_key, shape),
                "likelihood": self.likelihood.init(),
                "prior": self.prior.init(prior_key, self.latent_dim, self.data_shape),
            }
        )

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        return {"negative_elbo": -self.elbo(variables, batch, key, 1)}, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"negative_elbo": 1.0}

    def infer(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        encoder: Array = variables.params["encoder"]
        return flat(batch.x) @ encoder

    def encode(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self.posterior.mean(self.infer(variables, batch))

    def decode(self, variables: jaxae.Variables, z: Array, y: Array | tuple[()] = ()) -> Terms:
        labels = self.condition(y)
        inputs = [z, *([] if isinstance(labels, tuple) else [labels]), jnp.ones((z.shape[0], 1))]
        outputs: Array = jnp.concatenate(inputs, axis=1) @ variables.params["decoder"]
        shape = self.likelihood.output_shape(self.data_shape)
        return self.likelihood.parameters(outputs.reshape(-1, *shape), variables.params["likelihood"])

    def image(self, parameters: Terms) -> Array:
        return self.likelihood.mean(parameters)

    def log_likelihood(self, variables: jaxae.Variables, batch: jaxae.Batch, z: Array) -> Array:
        def of_draw(z: Array) -> Array:
            parameters = self.decode(variables, z, batch.y)
            return self.likelihood.log_prob(parameters, batch.x, len(self.data_shape))

        return jax.vmap(of_draw)(z)

    def log_prior(self, variables: jaxae.Variables, z: Array) -> Array:
        return self.prior.log_prob(variables.params["prior"], z, lambda x: self._components(variables, x))

    def prior_sample(self, variables: jaxae.Variables, key: Array, num: int) -> Array:
        params, shape = variables.params["prior"], (num, self.latent_dim)
        return self.prior.sample(params, key, shape, lambda x: self._components(variables, x))

    def log_weights(
        self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array, num_samples: int
    ) -> Array:
        z, log_posterior = self.posterior.sample(self.infer(variables, batch), key, num_samples)
        log_joint = self.log_likelihood(variables, batch, z) + self.log_prior(variables, z)
        return log_joint - log_posterior

    def elbo(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array, num_samples: int) -> Array:
        """With the KL in closed form, if posterior and prior have one."""
        is_standard = isinstance(self.prior, StandardPrior) and self.prior.is_standard
        if not (is_standard and isinstance(self.posterior, protocols.ClosedKL)):
            return self.log_weights(variables, batch, key, num_samples).mean(axis=0)
        outputs = self.infer(variables, batch)
        z, _ = self.posterior.sample(outputs, key, num_samples)
        return self.log_likelihood(variables, batch, z).mean(axis=0) - self.posterior.kl(outputs)

    def _components(self, variables: jaxae.Variables, x: Array) -> tuple[Array, Array]:
        assert isinstance(self.posterior, protocols.DiagonalPosterior)
        return self.posterior.mean_and_log_var(self.infer(variables, jaxae.Batch(x)))


@jaxae.spec
class StepTokenizer:
    """P numbers sigmoid(W x), each rounded down to one of K steps: the middle of a step is its code."""

    num_codes: Annotated[int, Gt(1)] = 4
    grid: tuple[Annotated[int, Gt(0)], ...] = (2, 1)
    reconstruction: Reconstruction = parts.Laplace()
    data_shape: tuple[int, ...] = ()

    elbo_terms: ClassVar[tuple[str, ...]] = ("distortion",)  # if the reconstruction is a density

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        num, size = math.prod(self.grid), math.prod(self.data_shape)
        encoder_key, decoder_key = jax.random.split(key)
        shape = num + 1, math.prod(self.reconstruction.output_shape(self.data_shape))
        return jaxae.Variables(
            {
                "encoder": jax.random.normal(encoder_key, (size, num)),
                "decoder": 0.3 * jax.random.normal(decoder_key, shape),
                "reconstruction": self.reconstruction.init(),
            }
        )

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        features = self._features(variables, batch)
        z = parts.straight_through(features, self.embed(variables, self.tokens(variables, batch)))
        parameters = self.decode(variables, z)
        distortion = self.reconstruction.distortion(parameters, batch.x, len(self.data_shape))
        return {"distortion": distortion}, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"distortion": 1.0}

    def tokens(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        steps = jnp.floor(self.num_codes * self._features(variables, batch)).astype(jnp.int32)
        return jnp.minimum(steps, self.num_codes - 1)

    def embed(self, variables: jaxae.Variables, tokens: Array) -> Array:
        return (tokens + 0.5) / self.num_codes

    def encode(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self.embed(variables, self.tokens(variables, batch))

    def decode(self, variables: jaxae.Variables, z: Array, y: object = ()) -> Terms:
        inputs = jnp.concatenate([z, jnp.ones((z.shape[0], 1))], axis=1)
        outputs: Array = inputs @ variables.params["decoder"]
        shape = self.reconstruction.output_shape(self.data_shape)
        return self.reconstruction.parameters(outputs.reshape(-1, *shape), variables.params["reconstruction"])

    def image(self, parameters: Terms) -> Array:
        return self.reconstruction.mean(parameters)

    def _features(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return jax.nn.sigmoid((flat(batch.x) - 0.5) @ variables.params["encoder"])


@jaxae.spec
class BitTokenizer:
    """The signs of P projections of x as tokens 0 and 1: a tokenizer without grid and reconstruction."""

    num_bits: Annotated[int, Gt(0)] = 3

    @property
    def num_codes(self) -> int:
        return 2

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        size = math.prod(batch.x.shape[1:])
        encoder_key, decoder_key = jax.random.split(key)
        encoder = jax.random.normal(encoder_key, (size, self.num_bits))
        return jaxae.Variables(
            {"encoder": encoder, "decoder": jax.random.normal(decoder_key, (self.num_bits, size))}
        )

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        features = jnp.tanh(self._features(variables, batch))
        z = parts.straight_through(features, self.encode(variables, batch))
        again = flat(self.image(self.decode(variables, z)))
        return {"error": ((flat(batch.x) - again) ** 2).sum(axis=1)}, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"error": 1.0}

    def tokens(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return (self._features(variables, batch) > 0).astype(jnp.int32)

    def embed(self, variables: jaxae.Variables, tokens: Array) -> Array:
        return 2.0 * tokens - 1.0

    def encode(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self.embed(variables, self.tokens(variables, batch))

    def decode(self, variables: jaxae.Variables, z: Array, y: object = ()) -> Terms:
        return {"mean": z @ variables.params["decoder"]}

    def image(self, parameters: Terms) -> Array:
        side = math.isqrt(parameters["mean"].shape[1])
        return parameters["mean"].reshape(-1, side, side, 1)

    def _features(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        encoder: Array = variables.params["encoder"]
        return (flat(batch.x) - 0.5) @ encoder


@jaxae.spec
class MarkovTokens:
    """p(tokens | y) = p(t_1 | y) prod p(t_p | t_(p-1), y): tables of logits, those of y added to all."""

    condition: Condition | None = None
    drop_condition: Annotated[float, Ge(0)] = 0.1
    num_codes: Annotated[int, Ge(0)] = 0
    num_positions: Annotated[int, Ge(0)] = 0

    def fitted(self, dataset: TrainingData) -> Self:
        return fitted_tokens(self, dataset)

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        first_key, next_key, y_key = jax.random.split(key, 3)
        num_ids = 1 + (self.condition.size if self.condition else 0)
        return jaxae.Variables(
            {
                "first": jax.random.normal(first_key, (1, self.num_codes)),
                "next": jax.random.normal(next_key, (self.num_codes, self.num_codes)),
                "y": jax.random.normal(y_key, (num_ids, self.num_codes)),
            }
        )

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        prefix, num = self.prefix(batch), batch.x.shape[0]
        is_dropped = jax.random.bernoulli(key, self.drop_condition, (num, 1))
        prefix = jnp.where(is_dropped, self.null_prefix(num), prefix)
        return {"nats": -self._log_prob(variables, batch, prefix)}, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"nats": 1.0}

    def log_prob(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return self._log_prob(variables, batch, self.prefix(batch))

    def prefix(self, batch: jaxae.Batch) -> Array:
        return prefix_of(self, batch)

    def null_prefix(self, num: int) -> Array:
        return null_prefix_of(self, num)

    def logits(self, variables: jaxae.Variables, tokens: Array, prefix: Array) -> Array:
        params: Params = variables.params
        first = jnp.broadcast_to(params["first"][None], (tokens.shape[0], 1, self.num_codes))
        before = jnp.concatenate([first, params["next"][tokens[:, :-1]]], axis=1)
        return before + params["y"][prefix].sum(axis=1, keepdims=True)

    def _log_prob(self, variables: jaxae.Variables, batch: jaxae.Batch, prefix: Array) -> Array:
        return log_prob_of_tokens(self, variables, batch, prefix)


@jaxae.spec
class SummingTokens:
    """Logits of a token from tanh of the sum of the vectors before it; the sum is the cache."""

    width: Annotated[int, Gt(0)] = 5
    condition: Condition | None = None
    num_codes: Annotated[int, Ge(0)] = 0
    num_positions: Annotated[int, Ge(0)] = 0

    def fitted(self, dataset: TrainingData) -> Self:
        return fitted_tokens(self, dataset)

    def init(self, key: Array, batch: jaxae.Batch) -> jaxae.Variables:
        num_ids = 1 + (self.condition.size if self.condition else 0)
        sizes = {"y": num_ids, "tokens": self.num_codes, "head": self.num_codes}
        each = zip(sizes.items(), jax.random.split(key, len(sizes)), strict=True)
        return jaxae.Variables(
            {name: jax.random.normal(key, (size, self.width)) for (name, size), key in each}
        )

    def terms(self, variables: jaxae.Variables, batch: jaxae.Batch, key: Array) -> tuple[Terms, object]:
        return {"nats": -self.log_prob(variables, batch)}, variables.extra

    def weights(self, step: Array) -> dict[str, float]:
        return {"nats": 1.0}

    def log_prob(self, variables: jaxae.Variables, batch: jaxae.Batch) -> Array:
        return log_prob_of_tokens(self, variables, batch, self.prefix(batch))

    def prefix(self, batch: jaxae.Batch) -> Array:
        return prefix_of(self, batch)

    def null_prefix(self, num: int) -> Array:
        return null_prefix_of(self, num)

    def logits(self, variables: jaxae.Variables, tokens: Array, prefix: Array) -> Array:
        params: Params = variables.params
        inputs = [self.embed_prefix(params, prefix), self.embed_tokens(params, tokens[:, :-1])]
        outputs, _ = self.trunk(
            params, jnp.concatenate(inputs, axis=1), self.cache(params, tokens.shape[0]), 0
        )
        return self.head(params, outputs[:, prefix.shape[1] - 1 :])

    def cache(self, params: Params, num: int) -> Array:
        return jnp.zeros((num, self.width), params["head"].dtype)

    def embed_prefix(self, params: Params, prefix: Array) -> Array:
        return params["y"][prefix]

    def embed_tokens(self, params: Params, tokens: Array) -> Array:
        return params["tokens"][tokens]

    def trunk(self, params: Params, rows: Array, cache: Array, start: int | Array) -> tuple[Array, Array]:
        sums = cache[:, None] + jnp.cumsum(rows, axis=1)
        return jnp.tanh(sums), cache + rows.sum(axis=1)

    def head(self, params: Params, outputs: Array) -> Array:
        return jnp.einsum("bsw,kw->bsk", outputs, params["head"])


OwnTokens = MarkovTokens | SummingTokens
T = TypeVar("T", bound=OwnTokens)


def fitted_tokens(model: T, dataset: TrainingData) -> T:
    """The model with the codes, the positions and the condition of the data. Raises: JaxaeError."""
    if dataset.tokenizer is None:
        raise jaxae.JaxaeError(f"data.name: {type(model).__name__} learns tokens, of data.name tokens:RUN")
    if isinstance(model.condition, DataDependent):
        model = dataclasses.replace(model, condition=model.condition.fitted(dataset))
    codes, positions = dataset.tokenizer.num_codes, math.prod(dataset.tokenizer.grid)
    return dataclasses.replace(model, num_codes=codes, num_positions=positions)


def prefix_of(model: OwnTokens, batch: jaxae.Batch) -> Array:
    """The ids of y, i32[B, T]."""
    return model.condition.ids(batch.y) if model.condition else model.null_prefix(batch.x.shape[0])


def null_prefix_of(model: OwnTokens, num: int) -> Array:
    """The id behind those of the condition at each position, i32[num, T]."""
    size, length = (model.condition.size, model.condition.length) if model.condition else (0, 1)
    return jnp.full((num, length), size, jnp.int32)


def log_prob_of_tokens(
    model: OwnTokens, variables: jaxae.Variables, batch: jaxae.Batch, prefix: Array
) -> Array:
    """log p(tokens | prefix), f32[B], nats."""
    tokens = flat(batch.x).astype(jnp.int32)
    log_probs = jax.nn.log_softmax(model.logits(variables, tokens, prefix), axis=-1)
    return jnp.take_along_axis(log_probs, tokens[..., None], axis=-1).sum(axis=(1, 2))


class Tokens(NamedTuple):
    """A tokenizer as `fitted` sees it."""

    num_codes: int
    grid: tuple[int, ...]
    text: Condition | None = None


class Rows(NamedTuple):
    """Data as `fitted` sees them, for tests of it."""

    train: jaxae.Examples
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    tokenizer: Tokens | None = None


ROWS = Rows(jaxae.Examples(jnp.full((5, 4, 4, 1), 51.0), (), 255.0), (4, 4, 1))
TOKENS = Tokens(num_codes=4, grid=(2, 1), text=parts.WordPair(num_words=2))


class CodeLengths:
    """Mean Euclidean length of the codes: a measure, which is no part of an experiment and no spec."""

    name: str = "code_lengths"
    requires: tuple[type, ...] = (protocols.Autoencoder,)

    def rows(self, subject: jaxae.Subject) -> jaxae.Row:
        lengths = (subject.codes**2).sum(axis=1) ** 0.5
        return jaxae.Row(
            self.name, float(lengths.mean()), None, "latent unit", len(lengths), "mean over rows"
        )

    def plot(self, subject: jaxae.Subject, path: Path) -> None:
        path.write_bytes(subject.codes.tobytes())


MODELS: tuple[protocols.Model, ...] = (IndependentPixels(), GreedyClassifier())
AUTOENCODERS: tuple[protocols.Autoencoder, ...] = (NormalisedAE(), GreedyClassifier(), BitTokenizer())
EVALUATION_TERMS: tuple[protocols.EvaluationTerms, ...] = (NormalisedAE(),)
TERM_UNITS: tuple[protocols.TermUnits, ...] = (NormalisedAE(), ProbabilisticPCA())
BATCH_TERMS: tuple[protocols.BatchTerms, ...] = (NormalisedAE(),)
MINIMUM_BATCHES: tuple[protocols.MinimumBatch, ...] = (NormalisedAE(),)
MONTE_CARLO: tuple[protocols.MonteCarlo, ...] = (ProbabilisticPCA(),)
LATENT_VARIABLE_MODELS: tuple[protocols.LatentVariableModel, ...] = (ProbabilisticPCA(), LinearVAE())
ELBO_PARTS: tuple[protocols.ElboParts, ...] = (ProbabilisticPCA(),)
ELBO_TERMS: tuple[protocols.ElboTerms, ...] = (ProbabilisticPCA(), StepTokenizer())
JOINT_DENSITIES: tuple[protocols.JointDensity, ...] = (ProbabilisticPCA(), LinearVAE())
GENERATIVE: tuple[protocols.Generative, ...] = (ProbabilisticPCA(), LinearVAE())
EXACT_LIKELIHOODS: tuple[protocols.ExactLikelihood, ...] = (IndependentPixels(), MarkovTokens())
CONDITIONAL: tuple[protocols.Conditional, ...] = (LinearVAE(num_classes=3),)
CLASSIFIERS: tuple[protocols.Classifier, ...] = (GreedyClassifier(),)
TOKENIZERS: tuple[protocols.Tokenizer, ...] = (StepTokenizer(), BitTokenizer())
TOKEN_GRIDS: tuple[protocols.TokenGrid, ...] = (StepTokenizer(),)
TOKEN_MODELS: tuple[protocols.TokenModel, ...] = (MarkovTokens(), SummingTokens())
CACHED_TOKEN_MODELS: tuple[protocols.CachedTokenModel, ...] = (SummingTokens(),)
GUIDED_TOKEN_MODELS: tuple[protocols.GuidedTokenModel, ...] = (MarkovTokens(),)
SPARSE_CODES: tuple[protocols.SparseCodes, ...] = (NormalisedAE(),)
ACTIVATED_CODES: tuple[protocols.ActivatedCodes, ...] = (NormalisedAE(activation="sigmoid"),)
SEPARATE_OPTIMIZERS: tuple[protocols.SeparateOptimizers, ...] = (GreedyClassifier(),)
PHASED: tuple[protocols.Phased, ...] = (GreedyClassifier(),)
DATA_DEPENDENT: tuple[protocols.DataDependent, ...] = (ProbabilisticPCA(), MarkovTokens(), parts.WordPair())
RECONSTRUCTION_MODELS: tuple[protocols.ReconstructionModel, ...] = (NormalisedAE(), StepTokenizer())
LIKELIHOOD_MODELS: tuple[protocols.LikelihoodModel, ...] = (LinearVAE(),)
PRIOR_MODELS: tuple[protocols.PriorModel, ...] = (LinearVAE(),)
CODE_SIZES: tuple[protocols.CodeSize, ...] = (NormalisedAE(),)
DATA_SHAPED: tuple[protocols.DataShaped, ...] = (NormalisedAE(), LinearVAE())
EXAMPLE_COUNTS: tuple[protocols.ExampleCount, ...] = (ProbabilisticPCA(),)
TRAINING_DATA: tuple[protocols.TrainingData, ...] = (ROWS, ROWS._replace(tokenizer=TOKENS))
TOKEN_SOURCES: tuple[protocols.TokenSource, ...] = (TOKENS,)

SCHEDULES: tuple[protocols.Schedule, ...] = (parts.Decay(),)
OPTIMIZERS: tuple[protocols.Optimizer, ...] = (parts.SignDescent(),)
RECONSTRUCTIONS: tuple[protocols.Reconstruction, ...] = (parts.AbsoluteError(),)
WITH_UNITS: tuple[protocols.HasUnit, ...] = (parts.AbsoluteError(),)
LIKELIHOODS: tuple[protocols.Likelihood, ...] = (parts.Laplace(), parts.TiltedUniform(), parts.Binomial())
SAMPLED_LIKELIHOODS: tuple[protocols.SampledLikelihood, ...] = (parts.Laplace(),)
WITH_SUPPORTS: tuple[protocols.HasSupport, ...] = (parts.TiltedUniform(), parts.Binomial())
WITH_LEVELS: tuple[protocols.HasLevels, ...] = (parts.Binomial(),)
POSTERIORS: tuple[protocols.Posterior, ...] = (parts.SinhPosterior(),)
DENSITY_POSTERIORS: tuple[protocols.DensityPosterior, ...] = (parts.LogisticPosterior(),)
CLOSED_KLS: tuple[protocols.ClosedKL, ...] = (parts.SharedNoise(),)
FACTORISED_KLS: tuple[protocols.FactorisedKL, ...] = (parts.LaplacePosterior(),)
DIAGONAL_POSTERIORS: tuple[protocols.DiagonalPosterior, ...] = (parts.IsotropicGaussian(),)
PRIORS: tuple[protocols.Prior, ...] = (parts.LogisticPrior(), parts.PseudoInputs())
STANDARD_PRIORS: tuple[protocols.StandardPrior, ...] = (parts.UnitNormal(),)
QUANTISERS: tuple[protocols.Quantiser, ...] = (parts.CountingCodebook(), parts.SignQuantiser())
FIXED_CODE_DIMS: tuple[protocols.FixedCodeDim, ...] = (parts.SignQuantiser(),)
CONDITIONS: tuple[protocols.Condition, ...] = (parts.Parity(), parts.WordPair())
CORRUPTIONS: tuple[protocols.Corruption, ...] = (parts.ErasedRows(),)
PERCEPTUAL_LOSSES: tuple[protocols.PerceptualLoss, ...] = (parts.EdgeDistance(), parts.BrightnessFeatures())
LEARNED_PERCEPTUAL_LOSSES: tuple[protocols.LearnedPerceptualLoss, ...] = (parts.BrightnessFeatures(),)
CHECKED: tuple[protocols.Checked, ...] = (parts.ErasedRows(),)

MEASURES: tuple[protocols.Measure, ...] = (CodeLengths(),)
NAMED_MEASURES: tuple[protocols.NamedMeasure, ...] = (CodeLengths(),)
RESTRICTED_MEASURES: tuple[protocols.RestrictedMeasure, ...] = (CodeLengths(),)
PLOTTED_MEASURES: tuple[protocols.PlottedMeasure, ...] = (CodeLengths(),)
