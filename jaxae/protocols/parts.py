"""Protocols of parts: specs in the fields of a model or a run, such as likelihoods, priors and optimisers.

A spec fulfils a protocol by its members. It may also inherit from the protocol to get the default methods:
`class Poisson(Likelihood)` then has `init`, `output_shape`, `mean` and `distortion`. A protocol with "Gives"
in its docstring is optional: it lists the features that its members add to a part.

Shapes: B examples of a batch, S Monte Carlo samples, L latent dimensions, P positions, D dimensions of a
vector, K codes, "event" the shape of one example.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from jax import Array
from jax.typing import ArrayLike

from jaxae.types import Key, Params, Shape, Terms, Variables

if TYPE_CHECKING:
    import optax  # for the annotation only

Support = Literal["unit interval", "reals"]
Components = Callable[[Array], tuple[Array, Array]]
"""Function from x f32[K, ...] to mean and log-variance of q(z|x), f32[K, L] each.

A prior whose components are posteriors, such as `VampPrior`, gets it from its model.
"""


@runtime_checkable
class Schedule(Protocol):
    """Number that changes with the step. A field that may hold one has the type `float | Schedule`."""

    # Positional only: a user's parameter may have any name.
    def __call__(self, step: ArrayLike, /) -> Array:
        """Return the number f32[] at `step` i32[]; it is traced, so use `jnp.where` instead of `if`."""


@runtime_checkable
class Optimizer(Protocol):
    """Rule by which parameters follow gradients."""

    def build(self) -> "optax.GradientTransformation":
        """Return the optax transformation. It may be called inside `jax.jit`, with traced fields."""


@runtime_checkable
class Reconstruction(Protocol):
    """Comparison of x with the decoder's output. A `Likelihood` compares by a density.

    One example is one event: its whole array, of `event_ndim` axes. A distortion is summed over an event.
    """

    def init(self) -> Params:
        """Return fresh parameters of the part itself; the default is {}, nothing to learn."""
        return {}

    def output_shape(self, data_shape: Shape) -> Shape:
        """Return the shape of the decoder's output for one example; the default is the example's shape."""
        return data_shape

    @abstractmethod
    def parameters(self, outputs: Array, learned: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z) by name, such as `mean` and `log_var`.

        Args:
            outputs: Output of the decoder, f32[..., *output_shape].
            learned: Parameters of the part itself, as `init` made them and training changed them; () or {} if
                there are none.

        Returns:
            A dict of arrays f32[..., *event], whose event axes may be 1 (one variance for all pixels). More
            axes, such as the levels of a categorical, come last.
        """

    # Abstract, as `parameters` is: no default would be right, so a subclass without it cannot be made.
    @abstractmethod
    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Return the reconstruction loss of each example.

        Args:
            parameters: Result of `parameters`.
            x: Data, f32[..., *event], in the data's unit.
            event_ndim: Number of trailing axes of x to sum over: those of one example, or 0 for the value of
                each pixel.

        Returns:
            f32[...], to be minimised, in the unit that `HasUnit` declares.
        """

    def mean(self, parameters: dict[str, Array]) -> Array:
        """Return E[x|z], the image f32[..., *event] in the data's unit; by default `parameters["mean"]`."""
        return parameters["mean"]


@runtime_checkable
class Likelihood(Reconstruction, Protocol):
    """Likelihood p(x|z): a density, or a probability mass."""

    @abstractmethod
    def log_prob(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Return log p(x|z) with its normaliser.

        Args:
            parameters: Result of `parameters`.
            x: Data, f32[..., *event], in the data's unit.
            event_ndim: Number of trailing axes of x to sum over: those of one example, or 0 for the value of
                each pixel.

        Returns:
            f32[...], nats.
        """

    def distortion(self, parameters: dict[str, Array], x: Array, event_ndim: int) -> Array:
        """Return -log p(x|z), the negative log-likelihood; it is below 0 if the density is above 1.

        Args:
            parameters: Result of `parameters`.
            x: Data, f32[..., *event], in the data's unit.
            event_ndim: Number of trailing axes of x to sum over: those of one example, or 0 for the value of
                each pixel.

        Returns:
            f32[...], nats.
        """
        return -self.log_prob(parameters, x, event_ndim)


@runtime_checkable
class SampledLikelihood(Likelihood, Protocol):
    """`Likelihood` that examples can be drawn from.

    Gives: simulated examples, for which annealed importance sampling bounds log p(x) from both sides.
    """

    def sample(self, parameters: dict[str, Array], key: Key) -> Array:
        """Return draws x ~ p(x|z).

        Args:
            parameters: Result of `parameters`.
            key: Key of the draws.

        Returns:
            f32[..., *event], in the data's unit.
        """


@runtime_checkable
class HasUnit(Protocol):
    """`Reconstruction` that declares the unit of its distortion; for a `Likelihood` it is nats.

    Gives: the unit of `distortion` in scores and tables.
    """

    @property
    def unit(self) -> str:
        """Unit of `distortion`, such as "data unit squared, summed over an example"."""


@runtime_checkable
class HasSupport(Protocol):
    """Likelihood, or another part, for data of a certain range.

    Gives: for "unit interval" an error before training, if data are outside [0, 1].
    """

    @property
    def support(self) -> Support:
        """Range of x: "unit interval" or "reals"."""


@runtime_checkable
class HasLevels(Likelihood, Protocol):
    """`Likelihood` that is a probability mass on the levels k / (num_levels - 1), from 0 to 1.

    Gives: an error before training, if data lie between the levels.
    """

    @property
    def num_levels(self) -> int:
        """Number of levels of a pixel."""


@runtime_checkable
class Posterior(Protocol):
    """Posterior q(z|x), read from the encoder's outputs f32[B, num_outputs(L)]."""

    def num_outputs(self, latent_dim: int) -> int:
        """Return the number of encoder outputs that describe q(z|x) of one example with L = `latent_dim`."""

    def mean(self, outputs: Array) -> Array:
        """Return the deterministic code, f32[B, L]: E[z] if it is known."""

    def sample(self, outputs: Array, key: Key, num_samples: int) -> tuple[Array, Array]:
        """Return draws z ~ q(z|x), reparameterised so that gradients reach `outputs`, and log q(z|x).

        Args:
            outputs: Encoder outputs, f32[B, num_outputs(L)].
            key: Key of the draws.
            num_samples: S, the number of draws of each example.

        Returns:
            z f32[S, B, L] and log q(z|x) f32[S, B] in nats.
        """


@runtime_checkable
class DensityPosterior(Posterior, Protocol):
    """`Posterior` whose density is known at any z.

    Gives: the path and DReG gradients of `IWAE`, information and marginal KL of codes, figures of posteriors.
    """

    def log_prob(self, outputs: Array, z: Array) -> Array:
        """Return log q(z|x) at any z, with its normaliser.

        Args:
            outputs: Encoder outputs, f32[B, num_outputs(L)].
            z: S codes for each example, f32[S, B, L].

        Returns:
            f32[S, B], nats.
        """


@runtime_checkable
class ClosedKL(Posterior, Protocol):
    """`Posterior` whose KL divergence from N(0, I) is known in closed form.

    Gives: a rate in closed form, if the prior is N(0, I).
    """

    def kl(self, outputs: Array) -> Array:
        """Return KL(q(z|x) || N(0, I)), f32[B], nats, for outputs f32[B, num_outputs(L)]."""


@runtime_checkable
class FactorisedKL(ClosedKL, Protocol):
    """`Posterior` whose KL divergence from N(0, I) is a sum over dimensions.

    Gives: `free_bits` of a `VAE`, the measures of active dimensions, a figure of the rates.
    """

    def kl_per_dim(self, outputs: Array) -> Array:
        """Return the KL divergence of each dimension, f32[B, L], nats; their sum is `kl`."""


@runtime_checkable
class DiagonalPosterior(FactorisedKL, DensityPosterior, Protocol):
    """`Posterior` that is a Gaussian with a diagonal covariance.

    Gives: components of a `VampPrior`, the objective of a `BetaTCVAE`.
    """

    def mean_and_log_var(self, outputs: Array) -> tuple[Array, Array]:
        """Return mean and log-variance, f32[B, L] each, for outputs f32[B, num_outputs(L)]."""


@runtime_checkable
class Prior(Protocol):
    """Prior p(z), with parameters if it learns any."""

    def init(self, key: Key, latent_dim: int, data_shape: Shape) -> Params:
        """Return fresh parameters; {} for a prior that learns none.

        Args:
            key: Key of the initial parameters.
            latent_dim: Size of a code, L.
            data_shape: Shape of one example, for a prior with pseudo-inputs.

        Returns:
            A pytree of f32 arrays.
        """

    def log_prob(self, params: Params, z: Array, components: Components) -> Array:
        """Return log p(z) with its normaliser.

        Args:
            params: Parameters from `init`.
            z: Codes, f32[..., L].
            components: Function from pseudo-inputs f32[K, *data_shape] to mean and log-variance f32[K, L] of
                the model's q(z|x), for priors made of posteriors.

        Returns:
            f32[...], nats.
        """

    def sample(self, params: Params, key: Key, shape: Shape, components: Components) -> Array:
        """Return draws z ~ p(z).

        Args:
            params: Parameters from `init`.
            key: Key of the draws.
            shape: (num, L).
            components: As for `log_prob`.

        Returns:
            f32[num, L].
        """


@runtime_checkable
class StandardPrior(Prior, Protocol):
    """`Prior` that declares whether it is N(0, I).

    Gives: for N(0, I) a rate in closed form, if the posterior has `ClosedKL`; a figure of the plane of codes.
    """

    @property
    def is_standard(self) -> bool:
        """True if p(z) is N(0, I)."""


# A tuple and no spec, since it is made inside jit and holds arrays only.
class Quantised(NamedTuple):
    """Result of quantising vectors f32[B, P, D]: codes and tokens, loss terms and the new `extra`."""

    values: Array  # f32[B, P, D], the decoder's input; its gradient is that of the estimator
    tokens: Array  # i32[B, P]
    terms: Terms  # f32[B] each, in the unit of the vectors squared
    extra: Any  # the quantiser's `extra` after this batch


@runtime_checkable
class Quantiser(Protocol):
    """Map from an encoder's vectors to tokens and back. It has separate variables."""

    @property
    def num_codes(self) -> int:
        """Number of codes, K; tokens are 0, ..., K - 1."""

    def init(self, key: Key, code_dim: int) -> Variables:
        """Return fresh variables for vectors of dimension D = `code_dim`.

        Args:
            key: Key of the initial values.
            code_dim: D, the length of a vector.

        Returns:
            Variables whose params and extra are dicts (extra is () if nothing is carried). They are merged
            with the model's, so their keys must differ from `encoder`, `decoder`, `likelihood`,
            `discriminator` and `perceptual`.
        """

    def quantise(self, variables: Variables, vectors: Array, key: Key) -> Quantised:
        """Return codes, tokens, loss terms and the new `extra` in training.

        Args:
            variables: Variables from `init`.
            vectors: Outputs of the encoder, f32[B, P, D].
            key: Key of random choices, such as new values for unused codes.

        Returns:
            `Quantised`. Its values need a gradient estimator, since tokens have no gradient.
        """

    def tokens(self, variables: Variables, vectors: Array) -> Array:
        """Return the tokens of vectors.

        Args:
            variables: Variables from `init`.
            vectors: Outputs of the encoder, f32[B, P, D].

        Returns:
            i32[B, P], values 0 to K - 1.
        """

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Return the codes of tokens.

        Args:
            variables: Variables from `init`.
            tokens: Tokens, i32[B, P].

        Returns:
            f32[B, P, D].
        """

    def weights(self, step: Array) -> Mapping[str, Any]:
        """Return the weight of each term of `quantise` at `step` i32[]."""


@runtime_checkable
class FixedCodeDim(Protocol):
    """`Quantiser` for vectors of one length only.

    Gives: an error before training, if `code_dim` of the model differs.
    """

    @property
    def code_dim(self) -> int:
        """Length of a vector, D."""


@runtime_checkable
class Condition(Protocol):
    """Input of a token prior before the first token, made from y: T ids, each below V."""

    @property
    def size(self) -> int:
        """Number of ids, V; 0 until the data are known."""

    @property
    def length(self) -> int:
        """Number of positions, T."""

    def ids(self, y: Any) -> Array:
        """Return the ids i32[B, T] of y [B, ...].

        Raises:
            JaxaeError: If y has another shape.
        """


@runtime_checkable
class Corruption(Protocol):
    """Corruption q(x_corrupted | x) of a denoising autoencoder's input."""

    def corrupt(self, x: Array, key: Key) -> tuple[Array, Array]:
        """Return the corrupted x and the components that were chosen for corruption.

        Args:
            x: Data in their own shape, such as f32[B, H, W, C].
            key: Key of the noise.

        Returns:
            The corrupted x, f32[B, ...], and the chosen components, bool[B, ...]. A chosen component may keep
            its value by chance.
        """


@runtime_checkable
class PerceptualLoss(Protocol):
    """Distance between the features of two images. It has separate variables."""

    def init(self, key: Key, x: Array) -> Variables:
        """Return fresh variables.

        Args:
            key: Key of the initial parameters.
            x: Images whose shape f32[B, H, W, C] is that of the data.

        Returns:
            Variables; `params` learn by `losses`, `extra` never changes (the weights of a trained net).
        """

    def distances(self, variables: Variables, x: Array, y: Array) -> Array:
        """Return the distance of each pair of images, 0 for equal ones.

        Args:
            variables: Variables from `init`; gradients must not reach them (`jax.lax.stop_gradient`).
            x: Images, f32[B, H, W, C].
            y: Images of the same shape.

        Returns:
            f32[B].
        """

    def losses(self, variables: Variables, x: Array, key: Key) -> Terms:
        """Return the terms by which the features learn; {} if they do not.

        Args:
            variables: Variables from `init`.
            x: Images, f32[B, H, W, C]; gradients must not reach them.
            key: Key of the noise.

        Returns:
            A dict of f32[B] by name.
        """

    def weights(self, step: Array) -> Mapping[str, Any]:
        """Return the weight of each term of `losses` at `step` i32[]."""


@runtime_checkable
class LearnedPerceptualLoss(PerceptualLoss, Protocol):
    """`PerceptualLoss` whose features learn, by a separate optimiser.

    Gives: this optimiser for its parameters.
    """

    @property
    def optimizer(self) -> Optimizer:
        """Optimiser of the features' parameters."""


@runtime_checkable
class Checked(Protocol):
    """Spec that checks its fields together.

    Gives: an error before anything runs, whether the spec comes from Python, the command line or a record.
    """

    def check(self) -> None:
        """Check that the fields fit together.

        Raises:
            ValueError: If they do not; the message starts with the name of the field.
        """


def unit_of(reconstruction: Reconstruction) -> str:
    """Return the unit of a reconstruction's distortion, "" if it is unknown."""
    if isinstance(reconstruction, HasUnit):
        return reconstruction.unit
    return "nats" if isinstance(reconstruction, Likelihood) else ""


def is_standard(prior: Prior) -> bool:
    """Return whether a prior declares that it is N(0, I)."""
    return isinstance(prior, StandardPrior) and prior.is_standard
