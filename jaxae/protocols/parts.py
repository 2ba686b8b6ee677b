"""What a model and a run are made of: the protocols of parts, each a spec that a user can write too.

A spec fulfils a protocol by its methods. It may also inherit from the protocol: a `class Poisson(Likelihood)`
has `init`, `output_shape`, `mean` and `distortion` from there. A protocol with "Gives" in its docstring is
optional: it says what a part may offer besides. Shapes: B batch, S samples, L latent, P positions, D numbers
of a vector, K codes.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from jax import Array
from jax.typing import ArrayLike

from jaxae.types import Key, Params, Shape, Terms, Variables

if TYPE_CHECKING:
    import optax

Support = Literal["unit interval", "reals"]
Components = Callable[[Array], tuple[Array, Array]]
"""From x f32[K, ...] to mean and log-variance of q(z|x), f32[K, L] each: for priors made of posteriors."""


@runtime_checkable
class Schedule(Protocol):
    """A number that changes with the step. A field that may be one is annotated `float | Schedule`."""

    def __call__(self, step: ArrayLike, /) -> Array:
        """Return the number at `step` i32[]: f32[]."""


@runtime_checkable
class Optimizer(Protocol):
    """How parameters follow gradients."""

    def build(self) -> "optax.GradientTransformation":
        """Return the optax transformation; it may be called inside jit."""


@runtime_checkable
class Reconstruction(Protocol):
    """How x is compared with what the decoder gave. A `Likelihood` is one by a density.

    The event of an example is its whole array; `event_ndim` is the number of its axes.
    """

    def init(self) -> Params:
        """Return fresh parameters of the part itself; {} for most."""
        return {}

    def output_shape(self, data_shape: Shape) -> Shape:
        """Return the shape of the decoder's output for one example; here that of the example."""
        return data_shape

    @abstractmethod
    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z) by name.

        Args:
            outputs: What the decoder gave, f32[..., *output_shape].
            learned: What `init` began, () if nothing.
        """

    @abstractmethod
    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Return the reconstruction loss of x f32[..., *event]: f32[...]."""

    def mean(self, parameters: dict[str, Array]) -> Array:
        """Return E[x|z], f32[..., *event] in the data's unit: the image. Here the parameter of that name."""
        return parameters["mean"]


@runtime_checkable
class Likelihood(Reconstruction, Protocol):
    """p(x|z), a density or a mass."""

    @abstractmethod
    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Return log p(x|z) with its normaliser, f32[..., *event] -> f32[...], nats."""

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Return -log p(x|z), below 0 where a density is above 1; f32[..., *event] -> f32[...], nats."""
        return -self.log_prob(parameters, x, event_ndim)


@runtime_checkable
class SampledLikelihood(Likelihood, Protocol):
    """A `Likelihood` that examples can be drawn from.

    Gives: simulated examples, on which log p(x) is enclosed from both sides by annealed importance sampling.
    """

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Return x ~ p(x|z), f32[..., *event], in the data's unit."""


@runtime_checkable
class HasUnit(Protocol):
    """A `Reconstruction` that names the unit of its distortion; that of a `Likelihood` is nats.

    Gives: the unit of `distortion` in scores and tables.
    """

    @property
    def unit(self) -> str:
        """The unit of `distortion`."""


@runtime_checkable
class HasSupport(Protocol):
    """A likelihood, or another part, that is for data of some range only.

    Gives: an error before training for data outside "unit interval".
    """

    @property
    def support(self) -> Support:
        """Where x lies."""


@runtime_checkable
class HasLevels(Likelihood, Protocol):
    """A `Likelihood` that is a mass on the levels k / (num_levels - 1) from 0 to 1.

    Gives: an error before training for data between the levels.
    """

    @property
    def num_levels(self) -> int:
        """The number of levels of a pixel."""


@runtime_checkable
class Posterior(Protocol):
    """q(z|x), read from the encoder's outputs f32[B, num_outputs(L)]."""

    def num_outputs(self, latent_dim: int) -> int:
        """Return how many numbers of the encoder describe q(z|x) of one example."""

    def mean(self, outputs: Array) -> Array:
        """Return the deterministic code, f32[B, L]: E[z] if it is known."""

    def sample(self, outputs: Array, key: Key, num_samples: int) -> tuple[Array, Array]:
        """Return z ~ q(z|x), f32[S, B, L], and its log q(z|x), f32[S, B], nats."""


@runtime_checkable
class DensityPosterior(Posterior, Protocol):
    """A `Posterior` whose density is known at any z.

    Gives: the path and DReG gradients of `IWAE`, information and marginal KL of codes, figures of posteriors.
    """

    def log_prob(self, outputs: Array, z: Array) -> Array:
        """Return log q(z|x), z f32[S, B, L] -> f32[S, B], nats."""


@runtime_checkable
class ClosedKL(Posterior, Protocol):
    """A `Posterior` with its KL from N(0, I) in closed form.

    Gives: a rate in closed form, if the prior is N(0, I).
    """

    def kl(self, outputs: Array) -> Array:
        """Return KL(q(z|x) || N(0, I)), f32[B], nats."""


@runtime_checkable
class FactorisedKL(ClosedKL, Protocol):
    """A `Posterior` whose KL from N(0, I) is a sum over dimensions.

    Gives: `free_bits` of a `VAE`, the measures of active dimensions, a figure of the rates.
    """

    def kl_per_dim(self, outputs: Array) -> Array:
        """Return the KL of each dimension, f32[B, L], nats."""


@runtime_checkable
class DiagonalPosterior(FactorisedKL, DensityPosterior, Protocol):
    """A `Posterior` that is a Gaussian of independent dimensions.

    Gives: components of a `VampPrior`, the objective of a `BetaTCVAE`.
    """

    def mean_and_log_var(self, outputs: Array) -> tuple[Array, Array]:
        """Return mean and log-variance, f32[B, L] each."""


@runtime_checkable
class Prior(Protocol):
    """p(z), with the parameters that it learns. `components` reads pseudo-inputs by the model's encoder."""

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Return fresh parameters; {} for a prior that learns none."""

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """Return log p(z), f32[..., L] -> f32[...], nats."""

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """Return z ~ p(z), f32[num, L] for the shape (num, L)."""


@runtime_checkable
class StandardPrior(Prior, Protocol):
    """A `Prior` that says whether it is N(0, I).

    Gives: for N(0, I) a rate in closed form, if the posterior has `ClosedKL`; a figure of the plane of codes.
    """

    @property
    def is_standard(self) -> bool:
        """Whether p(z) is N(0, I)."""


class Quantised(NamedTuple):
    """Codes of vectors f32[B, P, D], and what a quantiser learns by."""

    values: Array  # f32[B, P, D], as the decoder sees them, with the estimator's gradient
    tokens: Array  # i32[B, P]
    terms: Terms  # f32[B] each, in the vectors' unit squared
    extra: Any  # that of the quantiser, after this batch


@runtime_checkable
class Quantiser(Protocol):
    """What makes tokens of an encoder's vectors, with its own part of `Variables`."""

    @property
    def num_codes(self) -> int:
        """K, a token is one of 0, ..., K - 1."""

    def init(self, key: Key, code_dim: int) -> Variables:
        """Return fresh variables for vectors of D = `code_dim` numbers; params and extra are dicts.

        They are merged with those of the model, which has `encoder`, `decoder`, `likelihood`, `discriminator`
        and `perceptual`. `extra` is () if nothing is carried.
        """

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """Return codes, tokens, terms and the new `extra` for vectors f32[B, P, D], in training."""

    def tokens(self, variables: Variables, vectors: Array) -> Array:
        """Return the tokens of vectors, f32[B, P, D] -> i32[B, P]."""

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Return the codes of tokens, i32[B, P] -> f32[B, P, D]."""

    def weights(self, step: Array) -> Mapping[str, Any]:
        """Return the weight of each of its terms at `step` i32[]."""


@runtime_checkable
class FixedCodeDim(Protocol):
    """A `Quantiser` for vectors of one length only.

    Gives: an error before training, if `code_dim` of the model is another number.
    """

    @property
    def code_dim(self) -> int:
        """D, the length of a vector."""


@runtime_checkable
class Condition(Protocol):
    """What a token prior sees before the first token, made of y: T ids below V."""

    @property
    def size(self) -> int:
        """V, the number of ids; 0 until the data are known."""

    @property
    def length(self) -> int:
        """T, the number of positions."""

    def ids(self, y: Any) -> Array:
        """Return the ids of y [B, ...], i32[B, T]. Raises: JaxaeError for a y of another shape."""


@runtime_checkable
class Corruption(Protocol):
    """q(x_corrupted | x), for a denoising autoencoder."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """Return the corrupted x, f32[B, ...], and the components that were chosen, bool[B, ...].

        x has the shape of the data, such as [B, H, W, C].
        """


@runtime_checkable
class PerceptualLoss(Protocol):
    """A distance of features, with variables of its own."""

    def init(self, key: Key, x: Array) -> Variables:
        """Return fresh variables for images shaped like x; `extra` never learns."""

    def distances(self, variables: Variables, x: Array, y: Array) -> Array:
        """Return f32[B] for images f32[B, H, W, C] twice, 0 for equal ones; gradients to the images only."""

    def losses(self, variables: Variables, x: Array, key: Key) -> Terms:
        """Return the terms by which it learns, f32[B]; gradients to its own parameters only."""

    def weights(self, step: Array) -> Mapping[str, Any]:
        """Return the weight of each of its own terms at `step` i32[]."""


@runtime_checkable
class LearnedPerceptualLoss(PerceptualLoss, Protocol):
    """A `PerceptualLoss` whose features learn, by an optimiser of their own.

    Gives: this optimiser for its parameters.
    """

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser of its parameters."""


@runtime_checkable
class Checked(Protocol):
    """Any spec that checks its fields together.

    Gives: an error before anything is run, from Python, the command line and a record alike.
    """

    def check(self) -> None:
        """Check that the fields fit together. Raises: ValueError."""


def unit_of(reconstruction: Reconstruction) -> str:
    """Return the unit of a reconstruction's distortion, "" if it is unknown."""
    if isinstance(reconstruction, HasUnit):
        return reconstruction.unit
    return "nats" if isinstance(reconstruction, Likelihood) else ""


def is_standard(prior: Prior) -> bool:
    """Return whether a prior says that it is N(0, I)."""
    return isinstance(prior, StandardPrior) and prior.is_standard
