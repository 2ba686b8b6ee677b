"""Parts as a user of jaxae writes them: schedules, likelihoods, posteriors, priors and the like.

Only public names are used, and nothing is inherited but where a docstring says so. B batch, S samples, L
latent dimension, P positions, D numbers of a vector, K codes, H W C image.
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt
from jax import Array
from jax.typing import ArrayLike

import jaxae
from jaxae.protocols import (
    Components,
    Likelihood,
    Optimizer,
    Quantised,
    Schedule,
    Support,
    TrainingData,
)

LOG_TWO_PI = math.log(2 * math.pi)


@jaxae.spec
class Decay:
    """start exp(-rate step)."""

    start: float = 1.0
    rate: Annotated[float, Ge(0)] = 0.01

    def __call__(self, step: ArrayLike, /) -> Array:
        return self.start * jnp.exp(-self.rate * jnp.asarray(step, float))


def at(number: float | Schedule, step: ArrayLike) -> ArrayLike:
    """The number of a field that may be a schedule."""
    return number(step) if isinstance(number, Schedule) else number


@jaxae.spec
class SignDescent:
    """p -= learning_rate sign(g) (Bernstein et al., 2018, arXiv 1802.04434)."""

    learning_rate: Annotated[float, Ge(0)] | Schedule = 1e-2

    def build(self) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_sign(), optax.scale_by_learning_rate(self.learning_rate))


@jaxae.spec
class AbsoluteError:
    """sum over pixels of |x - mean|: no density."""

    unit: ClassVar[str] = "data unit, summed over an example"

    def init(self) -> dict[str, Array]:
        return {}

    def output_shape(self, data_shape: tuple[int, ...]) -> tuple[int, ...]:
        return data_shape

    def parameters(self, outputs: Array, learned: object = ()) -> dict[str, Array]:
        return {"mean": outputs}

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        return over_event(jnp.abs(x - parameters["mean"]), event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        return parameters["mean"]


@jaxae.spec
class Laplace:
    """p(x|z) = prod 1/(2 s) exp(-|x - mean| / s), s learned, the same for all pixels."""

    initial_scale: Annotated[float, Gt(0)] = 0.3

    def init(self) -> dict[str, Array]:
        return {"log_scale": jnp.log(jnp.asarray(self.initial_scale, float))}

    def output_shape(self, data_shape: tuple[int, ...]) -> tuple[int, ...]:
        return data_shape

    def parameters(self, outputs: Array, learned: Mapping[str, Array] | tuple[()] = ()) -> dict[str, Array]:
        assert isinstance(learned, Mapping)
        shape = outputs.shape[0], *(1,) * (outputs.ndim - 1)
        return {"mean": outputs, "log_scale": jnp.broadcast_to(learned["log_scale"], shape)}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        log_scale = parameters["log_scale"]
        distance = jnp.abs(x - parameters["mean"]) * jnp.exp(-log_scale)
        return over_event(-distance - math.log(2) - log_scale, event_ndim)

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        return -self.log_prob(parameters, x, event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        return parameters["mean"]

    def sample(self, parameters: dict[str, Array], key: Array) -> Array:
        mean = parameters["mean"]
        return mean + jnp.exp(parameters["log_scale"]) * jax.random.laplace(key, mean.shape)


@jaxae.spec
class TiltedUniform(Likelihood):
    """p(x|z) = prod t exp(t x) / (exp(t) - 1) on [0, 1], t the decoder's output.

    The continuous Bernoulli (Loaiza-Ganem & Cunningham, 2019, arXiv 1907.06845) by its natural parameter. It
    inherits from `Likelihood`: `init`, `output_shape` and `distortion` are the protocol's.
    """

    support: ClassVar[Support] = "unit interval"

    def parameters(self, outputs: Array, learned: object = ()) -> dict[str, Array]:
        return {"tilt": outputs}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        tilt = parameters["tilt"]
        return over_event(tilt * x - self.log_normaliser(tilt), event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        """That of an exponential family: the slope of the logarithm of its normaliser."""
        slope: Array = jax.grad(lambda tilt: self.log_normaliser(tilt).sum())(parameters["tilt"])
        return slope

    def log_normaliser(self, tilt: Array) -> Array:
        """log((exp t - 1) / t) = t / 2 + log(sinh(t / 2) / (t / 2)), by its series near 0."""
        half = tilt / 2
        is_small = jnp.abs(half) < 0.1
        large = jnp.where(is_small, 1.0, jnp.abs(half))
        small = jnp.where(is_small, half, 0.0) ** 2
        series = small / 6 - small**2 / 180 + small**3 / 2835
        exact = large + jnp.log(-jnp.expm1(-2 * large)) - jnp.log(2 * large)
        return half + jnp.where(is_small, series, exact)


@jaxae.spec
class Binomial:
    """P(x|z) = prod C(n, k) p^k (1 - p)^(n - k) at the levels x = k / n, n = num_levels - 1."""

    num_levels: Annotated[int, Ge(2)] = 256

    support: ClassVar[Support] = "unit interval"

    def init(self) -> dict[str, Array]:
        return {}

    def output_shape(self, data_shape: tuple[int, ...]) -> tuple[int, ...]:
        return data_shape

    def parameters(self, outputs: Array, learned: object = ()) -> dict[str, Array]:
        return {"logits": outputs}

    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        logits, n = parameters["logits"], self.num_levels - 1
        k = n * x
        ways = math.lgamma(n + 1) - jax.lax.lgamma(k + 1) - jax.lax.lgamma(n - k + 1)
        chances = k * jax.nn.log_sigmoid(logits) + (n - k) * jax.nn.log_sigmoid(-logits)
        return over_event(ways + chances, event_ndim)

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        return -self.log_prob(parameters, x, event_ndim)

    def mean(self, parameters: dict[str, Array]) -> Array:
        return jax.nn.sigmoid(parameters["logits"])


def over_event(values: Array, event_ndim: int) -> Array:
    """The sum over an example's axes, [..., *event] -> [...]."""
    return values.sum(axis=tuple(range(-event_ndim, 0)))


@jaxae.spec
class IsotropicGaussian:
    """q(z|x) = N(mean, s^2 I): a diagonal Gaussian with one variance for all dimensions."""

    def num_outputs(self, latent_dim: int) -> int:
        return latent_dim + 1

    def mean(self, outputs: Array) -> Array:
        return outputs[..., :-1]

    def mean_and_log_var(self, outputs: Array) -> tuple[Array, Array]:
        mean = self.mean(outputs)
        return mean, jnp.broadcast_to(outputs[..., -1:], mean.shape)

    def sample(self, outputs: Array, key: Array, num_samples: int) -> tuple[Array, Array]:
        mean, log_var = self.mean_and_log_var(outputs)
        noise = jax.random.normal(key, (num_samples, *mean.shape))
        z = mean[None] + jnp.exp(log_var / 2)[None] * noise
        return z, self.log_prob(outputs, z)

    def log_prob(self, outputs: Array, z: Array) -> Array:
        mean, log_var = self.mean_and_log_var(outputs)
        return normal_log_prob(z, mean[None], log_var[None]).sum(axis=-1)

    def kl(self, outputs: Array) -> Array:
        return self.kl_per_dim(outputs).sum(axis=-1)

    def kl_per_dim(self, outputs: Array) -> Array:
        mean, log_var = self.mean_and_log_var(outputs)
        return (mean**2 + jnp.exp(log_var) - log_var - 1) / 2


@jaxae.spec
class LaplacePosterior:
    """q(z|x) = prod 1/(2 s) exp(-|z - mean| / s): its KL is a sum over dimensions, but it is no Gaussian."""

    def num_outputs(self, latent_dim: int) -> int:
        return 2 * latent_dim

    def mean(self, outputs: Array) -> Array:
        return jnp.split(outputs, 2, axis=-1)[0]

    def sample(self, outputs: Array, key: Array, num_samples: int) -> tuple[Array, Array]:
        mean, log_scale = jnp.split(outputs, 2, axis=-1)
        z = mean[None] + jnp.exp(log_scale)[None] * jax.random.laplace(key, (num_samples, *mean.shape))
        return z, self.log_prob(outputs, z)

    def log_prob(self, outputs: Array, z: Array) -> Array:
        mean, log_scale = jnp.split(outputs[None], 2, axis=-1)
        return (-jnp.abs(z - mean) * jnp.exp(-log_scale) - math.log(2) - log_scale).sum(axis=-1)

    def kl(self, outputs: Array) -> Array:
        return self.kl_per_dim(outputs).sum(axis=-1)

    def kl_per_dim(self, outputs: Array) -> Array:
        """-(1 + log 2s) + (log 2 pi + mean^2 + 2 s^2) / 2: minus the entropy, and the cross-entropy."""
        mean, log_scale = jnp.split(outputs, 2, axis=-1)
        return (LOG_TWO_PI + mean**2) / 2 + jnp.exp(2 * log_scale) - 1 - math.log(2) - log_scale


@jaxae.spec
class LogisticPosterior:
    """q(z|x) = prod sigmoid'((z - mean) / s) / s: a density at any z, without a KL in closed form."""

    def num_outputs(self, latent_dim: int) -> int:
        return 2 * latent_dim

    def mean(self, outputs: Array) -> Array:
        return jnp.split(outputs, 2, axis=-1)[0]

    def sample(self, outputs: Array, key: Array, num_samples: int) -> tuple[Array, Array]:
        mean, log_scale = jnp.split(outputs, 2, axis=-1)
        z = mean[None] + jnp.exp(log_scale)[None] * jax.random.logistic(key, (num_samples, *mean.shape))
        return z, self.log_prob(outputs, z)

    def log_prob(self, outputs: Array, z: Array) -> Array:
        mean, log_scale = jnp.split(outputs[None], 2, axis=-1)
        return logistic_log_prob(z, mean, log_scale).sum(axis=-1)


@jaxae.spec
class SharedNoise:
    """z = mean + s e + u n, e in R^L and n in R from N(0, 1): its KL is closed, no sum over dimensions."""

    def num_outputs(self, latent_dim: int) -> int:
        return 2 * latent_dim + 1

    def mean(self, outputs: Array) -> Array:
        return outputs[..., : outputs.shape[-1] // 2]

    def sample(self, outputs: Array, key: Array, num_samples: int) -> tuple[Array, Array]:
        mean, direction, log_std = self._parts(outputs)
        own_key, shared_key = jax.random.split(key)
        own = jax.random.normal(own_key, (num_samples, *mean.shape))
        shared = jax.random.normal(shared_key, (num_samples, mean.shape[0], 1))
        offset = jnp.exp(log_std)[None] * own + direction[None] * shared
        # log N(offset; 0, s^2 I + u u'), its inverse by Sherman & Morrison.
        precision = jnp.exp(-2 * log_std)[None, :, 0]
        ratio = (direction**2).sum(axis=-1)[None] * precision
        along = (offset * direction[None]).sum(axis=-1) * precision
        square = (offset**2).sum(axis=-1) * precision - along**2 / (1 + ratio)
        log_det = 2 * mean.shape[-1] * log_std[None, :, 0] + jnp.log1p(ratio)
        return mean[None] + offset, -(mean.shape[-1] * LOG_TWO_PI + log_det + square) / 2

    def kl(self, outputs: Array) -> Array:
        mean, direction, log_std = self._parts(outputs)
        latent_dim, variance = mean.shape[-1], jnp.exp(2 * log_std[:, 0])
        length = (direction**2).sum(axis=-1)
        trace = latent_dim * variance + length
        log_det = latent_dim * 2 * log_std[:, 0] + jnp.log1p(length / variance)
        return (trace + (mean**2).sum(axis=-1) - latent_dim - log_det) / 2

    def _parts(self, outputs: Array) -> tuple[Array, Array, Array]:
        """The mean f32[B, L], u f32[B, L] and log s f32[B, 1]."""
        latent_dim = outputs.shape[-1] // 2
        return outputs[..., :latent_dim], outputs[..., latent_dim:-1], outputs[..., -1:]


@jaxae.spec
class SinhPosterior:
    """z = sinh(z_0), z_0 ~ N(mean, diag s^2): heavy tails, and a density along its own samples only."""

    def num_outputs(self, latent_dim: int) -> int:
        return 2 * latent_dim

    def mean(self, outputs: Array) -> Array:
        """E[z] = exp(s^2 / 2) sinh(mean)."""
        mean, log_var = jnp.split(outputs, 2, axis=-1)
        return jnp.exp(jnp.exp(log_var) / 2) * jnp.sinh(mean)

    def sample(self, outputs: Array, key: Array, num_samples: int) -> tuple[Array, Array]:
        mean, log_var = jnp.split(outputs[None], 2, axis=-1)
        start = mean + jnp.exp(log_var / 2) * jax.random.normal(key, (num_samples, *mean.shape[1:]))
        log_prob = normal_log_prob(start, mean, log_var) - jnp.log(jnp.cosh(start))
        return jnp.sinh(start), log_prob.sum(axis=-1)


def normal_log_prob(x: Array, mean: Array, log_var: Array) -> Array:
    return -(LOG_TWO_PI + log_var + (x - mean) ** 2 * jnp.exp(-log_var)) / 2


def logistic_log_prob(x: Array, mean: Array, log_scale: Array) -> Array:
    centred = (x - mean) * jnp.exp(-log_scale)
    return -centred - 2 * jax.nn.softplus(-centred) - log_scale


@jaxae.spec
class UnitNormal:
    """p(z) = N(0, I)."""

    is_standard: ClassVar[bool] = True

    def init(self, key: Array, latent_dim: int, data_shape: tuple[int, ...]) -> dict[str, Array]:
        return {}

    def log_prob(self, params: object, z: Array, components: Components) -> Array:
        return normal_log_prob(z, jnp.zeros(()), jnp.zeros(())).sum(axis=-1)

    def sample(self, params: object, key: Array, shape: tuple[int, ...], components: Components) -> Array:
        return jax.random.normal(key, shape)


@jaxae.spec
class LogisticPrior:
    """p(z) = prod sigmoid'(z / s) / s with one s that is learned."""

    def init(self, key: Array, latent_dim: int, data_shape: tuple[int, ...]) -> dict[str, Array]:
        return {"log_scale": jnp.full((), -0.5)}

    def log_prob(self, params: Mapping[str, Array], z: Array, components: Components) -> Array:
        return logistic_log_prob(z, jnp.zeros(()), params["log_scale"]).sum(axis=-1)

    def sample(
        self, params: Mapping[str, Array], key: Array, shape: tuple[int, ...], components: Components
    ) -> Array:
        return jnp.exp(params["log_scale"]) * jax.random.logistic(key, shape)


@jaxae.spec
class PseudoInputs:
    """p(z) = 1/K sum_k q(z|u_k), u_k learned (Tomczak & Welling, 2018, arXiv 1705.07120)."""

    num_components: Annotated[int, Gt(0)] = 3

    def init(self, key: Array, latent_dim: int, data_shape: tuple[int, ...]) -> dict[str, Array]:
        return {"inputs": jax.random.uniform(key, (self.num_components, *data_shape))}

    def log_prob(self, params: Mapping[str, Array], z: Array, components: Components) -> Array:
        leading = (None,) * (z.ndim - 1)
        mean, log_var = (leaf[leading] for leaf in components(params["inputs"]))
        each = normal_log_prob(z[..., None, :], mean, log_var).sum(axis=-1)
        return jax.nn.logsumexp(each, axis=-1) - math.log(self.num_components)

    def sample(
        self, params: Mapping[str, Array], key: Array, shape: tuple[int, ...], components: Components
    ) -> Array:
        which_key, noise_key = jax.random.split(key)
        mean, log_var = components(params["inputs"])
        which = jax.random.randint(which_key, shape[:1], 0, self.num_components)
        return mean[which] + jnp.exp(log_var[which] / 2) * jax.random.normal(noise_key, shape)


@jaxae.spec
class SignQuantiser:
    """Each number of a vector becomes 1 or -1: K = 2^D codes, nothing is learned."""

    code_dim: Annotated[int, Gt(0)] = 2

    @property
    def num_codes(self) -> int:
        return int(2**self.code_dim)

    def init(self, key: Array, code_dim: int) -> jaxae.Variables:
        return jaxae.Variables({})

    def quantise(self, variables: jaxae.Variables, vectors: Array, key: Array) -> Quantised:
        tokens = self.tokens(variables, vectors)
        values = straight_through(jnp.tanh(vectors), self.embed(variables, tokens))
        return Quantised(values, tokens, {}, variables.extra)

    def tokens(self, variables: jaxae.Variables, vectors: Array) -> Array:
        bits = (vectors > 0).astype(jnp.int32)
        return (bits << jnp.arange(self.code_dim)[None, None]).sum(axis=-1)

    def embed(self, variables: jaxae.Variables, tokens: Array) -> Array:
        bits = tokens[..., None] >> jnp.arange(self.code_dim)[None, None] & 1
        return 2.0 * bits - 1.0

    def weights(self, step: Array) -> dict[str, float]:
        return {}


@jaxae.spec
class CountingCodebook:
    """The nearest row of a table that learns by gradients; `extra` counts how often each was chosen."""

    num_codes: Annotated[int, Gt(1)] = 4
    commitment: Annotated[float, Ge(0)] | Schedule = 0.25

    def init(self, key: Array, code_dim: int) -> jaxae.Variables:
        table = jax.random.normal(key, (self.num_codes, code_dim))
        return jaxae.Variables({"table": table}, {"uses": jnp.zeros(self.num_codes)})

    def quantise(self, variables: jaxae.Variables, vectors: Array, key: Array) -> Quantised:
        tokens = self.tokens(variables, vectors)
        codes = self.embed(variables, tokens)
        terms = {
            "commitment": distance(vectors, jax.lax.stop_gradient(codes)),
            "codebook": distance(jax.lax.stop_gradient(vectors), codes),
        }
        uses = variables.extra["uses"].at[tokens.reshape(-1)].add(1.0)
        return Quantised(straight_through(vectors, codes), tokens, terms, {"uses": uses})

    def tokens(self, variables: jaxae.Variables, vectors: Array) -> Array:
        table: Array = variables.params["table"]
        return ((vectors[:, :, None] - table[None, None]) ** 2).sum(axis=-1).argmin(axis=-1)

    def embed(self, variables: jaxae.Variables, tokens: Array) -> Array:
        table: Array = variables.params["table"]
        return table[tokens]

    def weights(self, step: Array) -> dict[str, ArrayLike]:
        return {"commitment": at(self.commitment, step), "codebook": 1.0}


def distance(vectors: Array, codes: Array) -> Array:
    """|v - e|^2, averaged over positions, [B, P, D] twice -> [B]."""
    return ((vectors - codes) ** 2).sum(axis=-1).mean(axis=-1)


def straight_through(vectors: Array, codes: Array) -> Array:
    """The codes, with the gradient passed to the vectors."""
    return vectors + jax.lax.stop_gradient(codes - vectors)


@jaxae.spec
class Parity:
    """Whether a label y i32[B] is odd: two ids, one position."""

    size: ClassVar[int] = 2
    length: ClassVar[int] = 1

    def ids(self, y: Array) -> Array:
        if jnp.ndim(y) != 1:
            raise jaxae.JaxaeError(f"y: got shape {jnp.shape(y)}, expected labels of shape (B,)")
        return jnp.asarray(y, jnp.int32)[:, None] % 2


@jaxae.spec
class WordPair:
    """The words of captions of two words, y i32[B, 2]; a word has another id at the second position."""

    num_words: Annotated[int, Ge(0)] = 0

    length: ClassVar[int] = 2

    @property
    def size(self) -> int:
        return 2 * self.num_words

    def fitted(self, dataset: TrainingData) -> Self:
        """With the number of different words of the data's captions."""
        if isinstance(dataset.train.y, tuple) or dataset.train.y.shape[1:] != (2,):
            raise jaxae.JaxaeError("model.condition: WordPair needs captions of two words")
        assert dataset.tokenizer is not None and dataset.tokenizer.text is not None
        return type(self)(num_words=self.num_words or dataset.tokenizer.text.size)

    def ids(self, y: Array) -> Array:
        if jnp.shape(y)[1:] != (2,):
            raise jaxae.JaxaeError(f"y: got shape {jnp.shape(y)}, expected two words, (B, 2)")
        return jnp.asarray(y, jnp.int32) + jnp.array([[0, self.num_words]], jnp.int32)


@jaxae.spec
class ErasedRows:
    """From `least` to `most` rows of an image become 0, those from a random one on."""

    least: Annotated[int, Ge(0)] = 1
    most: Annotated[int, Gt(0)] = 2

    def check(self) -> None:
        if self.least > self.most:
            raise ValueError(f"least: got {self.least}, more than most, {self.most}")

    def corrupt(self, x: Array, key: Array) -> tuple[Array, Array]:
        if x.ndim != 4:
            raise jaxae.JaxaeError(f"corruption: ErasedRows is for images, got examples of {x.shape[1:]}")
        number_key, start_key = jax.random.split(key)
        num_rows, height = x.shape[:2]
        number = jax.random.randint(number_key, (num_rows, 1), self.least, self.most + 1)
        start = jax.random.randint(start_key, (num_rows, 1), 0, height - number + 1)
        row = jnp.arange(height)[None]
        erased = (row >= start) & (row < start + number)
        chosen = jnp.broadcast_to(erased[:, :, None, None], x.shape)
        return jnp.where(chosen, 0.0, x), chosen


@jaxae.spec
class EdgeDistance:
    """Mean |grad x - grad y|^2 of images, by differences of neighbours; nothing is learned."""

    def init(self, key: Array, x: Array) -> jaxae.Variables:
        return jaxae.Variables({})

    def distances(self, variables: jaxae.Variables, x: Array, y: Array) -> Array:
        down, right = (jnp.diff(x - y, axis=axis) ** 2 for axis in (1, 2))
        return down.mean(axis=(1, 2, 3)) + right.mean(axis=(1, 2, 3))

    def losses(self, variables: jaxae.Variables, x: Array, key: Array) -> dict[str, Array]:
        return {}

    def weights(self, step: Array) -> dict[str, float]:
        return {}


@jaxae.spec
class BrightnessFeatures:
    """Mean squared distance of features relu(W x), which learn to predict the brightness of an image."""

    num_features: Annotated[int, Gt(0)] = 5
    optimizer: Optimizer = SignDescent()

    def init(self, key: Array, x: Array) -> jaxae.Variables:
        filters = jax.random.normal(key, (math.prod(x.shape[1:]), self.num_features))
        return jaxae.Variables({"filters": filters, "readout": jnp.zeros((self.num_features, 1))})

    def distances(self, variables: jaxae.Variables, x: Array, y: Array) -> Array:
        variables = jax.lax.stop_gradient(variables)
        return ((self._features(variables, x) - self._features(variables, y)) ** 2).mean(axis=-1)

    def losses(self, variables: jaxae.Variables, x: Array, key: Array) -> dict[str, Array]:
        readout: Array = variables.params["readout"]
        x = jax.lax.stop_gradient(x)
        predicted = (self._features(variables, x) @ readout)[:, 0]
        return {"brightness": (predicted - x.mean(axis=(1, 2, 3))) ** 2}

    def weights(self, step: Array) -> dict[str, float]:
        return {"brightness": 1.0}

    def _features(self, variables: jaxae.Variables, x: Array) -> Array:
        filters: Array = variables.params["filters"]
        return jax.nn.relu(x.reshape(x.shape[0], -1) @ filters)
