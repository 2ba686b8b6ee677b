"""Protocols of models: one protocol for each capability, tested with `isinstance`.

Training needs a `Model`. Every other protocol is optional: a model with its members gets the features listed
after "Gives". A run refuses a model that has only some members of a capability, where the missing ones would
silently cost a feature (`jaxae.contract.members`).

Shapes: B examples of a batch, S Monte Carlo samples, L latent dimensions, P positions, K codes, H W C height,
width and channels of an image. A `key` is a JAX random key; jaxae passes a separate key to each call.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

from jax import Array

from jaxae.protocols.dataset import TrainingData
from jaxae.protocols.parts import Condition, Likelihood, Optimizer, Posterior, Prior, Reconstruction
from jaxae.types import Batch, Key, Params, Terms, Variables


# `isinstance` compares the names of members only; mypy compares signatures, and `jaxae.contract` tries them.
@runtime_checkable
class Model(Protocol):
    """Spec (a dataclass of hyperparameters) with pure methods. Schedules are numbers when `terms` is called.

    Gives: training, validation loss, early stopping, checkpoints, resume, sweeps.
    """

    def init(self, key: Key, batch: Batch) -> Variables:
        """Return fresh variables for batches shaped like `batch`.

        Args:
            key: Key of the initial parameters.
            batch: Batch with the shapes and dtypes of the data. Its values are zeros, and it may be one
                example.

        Returns:
            `Variables(params, extra)`: floating-point `params`, learned by gradients, and `extra`, carried
            from step to step without gradients (an EMA codebook, running averages), () for most models.
        """

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Return the loss terms of each example. The loss is sum_k weights[k] * mean_B(terms[k]).

        Args:
            variables: Variables from `init`; `params` are cast to the run's `compute_dtype`.
            batch: Batch of data, x f32[B, ...] in the data's unit.
            key: Key of all noise in this step.

        Returns:
            A dict of f32[B] by name, to be minimised, neither averaged over the batch nor weighted (in nats
            where a term is a density), and the new `extra` with the structure, shapes and dtypes of `init`.
        """

    def weights(self, step: Array) -> Mapping[str, Any]:
        """Return the weight of each term at `step` i32[]: a number for exactly the names of `terms`."""


@runtime_checkable
class Autoencoder(Model, Protocol):
    """Model with codes: it encodes x to a code z and decodes z.

    Gives: `encode`, `reconstruct` and `decode` of a result; reconstruction errors, probes and other measures
    of codes, figures of reconstructions and codes; `jaxae export`, `jaxae.sklearn`.
    """

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the deterministic code of each example (the mean of a posterior).

        Args:
            variables: Trained variables.
            batch: Batch of data; `batch.y` is the condition, if the model has one.

        Returns:
            The codes, f32[B, L].
        """

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> Any:
        """Return the parameters of p(x|z), never an image.

        Args:
            variables: Trained variables.
            z: Codes, f32[B, L].
            y: Condition of each code, such as labels i32[B]; () if the model has none.

        Returns:
            A pytree of arrays [B, ...], usually a dict by name (`logits`, `mean`, `log_var`).
        """

    def image(self, parameters: Any) -> Array:
        """Return the mean of p(x|z), f32[B, ...] in the data's unit, for the parameters from `decode`."""


# A second method instead of a flag `is_training`: one function never means two things.
@runtime_checkable
class EvaluationTerms(Protocol):
    """Model whose terms differ in evaluation, because of dropout or batch normalisation.

    Gives: validation loss, early stopping and scores by these terms, in place of those of `terms`.

    `terms` is the training objective: it draws dropout masks from its key, normalises by the batch, and
    returns the new running averages as `extra`. `evaluation_terms` replaces it for the validation loss, which
    chooses the best epoch and stops training early, for scores and in sweeps. `encode`, `decode`, `image` and
    the other methods are evaluation too, so they must apply the nets in the same mode. A model without
    `evaluation_terms` is evaluated by `terms`.

    Example:
        A net with both, whose running averages are carried in `extra`::

            class Net(nn.Module):
                is_training: bool

                def setup(self):
                    self.hidden = nn.Dense(32, use_bias=False)  # the norm has a bias
                    self.code, self.out = nn.Dense(8), nn.Dense(784)
                    self.norm = nn.BatchNorm(use_running_average=not self.is_training)
                    self.dropout = nn.Dropout(0.2, deterministic=not self.is_training)

                def encode(self, x):
                    return self.code(self.dropout(nn.relu(self.norm(self.hidden(x)))))

                def decode(self, z):
                    return self.out(z)

                def __call__(self, x):
                    return self.decode(self.encode(x))

            @jaxae.spec
            class NormalisedAE:
                def init(self, key, batch):
                    made = Net(is_training=False).init(key, flat(batch.x))
                    return jaxae.Variables(made["params"], made["batch_stats"])

                def terms(self, variables, batch, key):
                    y, new = Net(is_training=True).apply(
                        collections(variables), flat(batch.x), rngs={"dropout": key}, mutable=["batch_stats"]
                    )
                    return {"distortion": ((flat(batch.x) - y) ** 2).sum(axis=1)}, new["batch_stats"]

                def evaluation_terms(self, variables, batch, key):
                    y = Net(is_training=False).apply(collections(variables), flat(batch.x))
                    return {"distortion": ((flat(batch.x) - y) ** 2).sum(axis=1)}

                def weights(self, step):
                    return {"distortion": 1.0}

                def encode(self, variables, batch):
                    net = Net(is_training=False)
                    return net.apply(collections(variables), flat(batch.x), method="encode")

                def decode(self, variables, z, y=()):
                    return {"mean": Net(is_training=False).apply(collections(variables), z, method="decode")}

                def image(self, parameters):
                    return parameters["mean"].reshape(-1, 28, 28, 1)

            def flat(x):
                return x.reshape(x.shape[0], -1)

            def collections(variables):
                return {"params": variables.params, "batch_stats": variables.extra}
    """

    def evaluation_terms(self, variables: Variables, batch: Batch, key: Key) -> Terms:
        """Return the loss terms of each example in evaluation mode.

        Args:
            variables: Trained variables, with the running averages in `extra`.
            batch: Batch of data.
            key: Key of the noise that evaluation keeps, such as draws from q(z|x).

        Returns:
            A dict of f32[B] with the names of `terms`.
        """


@runtime_checkable
class TermUnits(Protocol):
    """Model that declares the units of its terms.

    Gives: units of the terms in scores and tables.
    """

    def term_units(self) -> Mapping[str, str]:
        """Return the unit of each term, such as "nats"; extra names are ignored."""


@runtime_checkable
class BatchTerms(Protocol):
    """Model, or part of a model, with terms that are statistics of the batch.

    Gives: a warning if `batch_size` is 1.
    """

    @property
    def batch_terms(self) -> tuple[str, ...]:
        """Names of the terms that depend on the other examples of a batch."""


@runtime_checkable
class MinimumBatch(Protocol):
    """Model, or part of a model, whose statistics need more than one example.

    Gives: an error before training, if a batch or a split has fewer examples.
    """

    @property
    def min_batch(self) -> int:
        """Smallest number of examples in a batch."""


@runtime_checkable
class MonteCarlo(Protocol):
    """Model that decodes several codes of each example in training.

    Gives: an estimate of a sweep's memory that counts these codes.
    """

    @property
    def num_samples(self) -> int:
        """Number of codes drawn for each example, S."""


# No subclass of `Autoencoder`: bounds need no deterministic code and no image.
@runtime_checkable
class LatentVariableModel(Model, Protocol):
    """Model with lower bounds of log p(x).

    Gives: `elbo` and `iwelbo_K` with effective sample size and Pareto k, in scores, sweeps and measures; a
    search by the ELBO.
    """

    def log_weights(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Return log p(x|z) + log p(z) - log q(z|x) at draws z ~ q(z|x): log importance weights.

        Args:
            variables: Trained variables.
            batch: Batch of data.
            key: Key of the draws.
            num_samples: S, the number of draws of each example.

        Returns:
            f32[S, B], nats. Every density has its normaliser, or bounds are off by a constant.
        """

    def elbo(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Return E_q[log p(x|z)] - KL(q(z|x) || p(z)), the evidence lower bound; higher is better.

        Args:
            variables: Trained variables.
            batch: Batch of data.
            key: Key of the draws.
            num_samples: S, the number of draws of each example that the expectation is estimated from.

        Returns:
            f32[B], nats: the ELBO itself, not its negative.
        """


# Separate from `LatentVariableModel`, since some bounds have no two parts (importance weighting).
@runtime_checkable
class ElboParts(LatentVariableModel, Protocol):
    """Model whose ELBO is -(distortion + rate).

    Gives: `distortion` and `rate` by the draws of `elbo`, in scores and measures. If a loss term has the name
    of a part, scores leave the part out, unless `ElboTerms` lists that term.
    """

    def elbo_parts(
        self, variables: Variables, batch: Batch, key: Key, num_samples: int
    ) -> tuple[Array, Array]:
        """Return the distortion -E_q[log p(x|z)] and the rate KL(q(z|x) || p(z)).

        Args:
            variables: Trained variables.
            batch: Batch of data.
            key: Key of the draws: the same key gives the draws of `elbo`.
            num_samples: S, the number of draws of each example.

        Returns:
            Distortion and rate, f32[B] each, nats.
        """


@runtime_checkable
class ElboTerms(Protocol):
    """Model with loss terms that estimate parts of its ELBO (for a `Tokenizer`, the distortion).

    Gives: scores of these terms by the draws of `elbo`, so that elbo = -(distortion + rate).

    The declaration belongs to the class that defines `terms`. A subclass that defines other `terms` does not
    inherit it.
    """

    @property
    def elbo_terms(self) -> tuple[str, ...]:
        """Names of these terms, among "distortion" and "rate"."""


@runtime_checkable
class JointDensity(Autoencoder, Protocol):
    """Model with q(z|x), and with log p(x|z) and log p(z) at any code.

    Gives: log p(x) by quadrature, and by annealed importance sampling if it is `Generative` too; inference
    gaps, information and marginal KL of codes, the rate of each dimension, figures of posteriors.
    """

    @property
    def posterior(self) -> Posterior:
        """Posterior q(z|x), which reads the outputs of `infer`."""

    @property
    def latent_dim(self) -> int:
        """Size of a code, L."""

    def infer(self, variables: Variables, batch: Batch) -> Array:
        """Return the encoder's outputs, which `posterior` reads as q(z|x).

        Args:
            variables: Trained variables.
            batch: Batch of data.

        Returns:
            The outputs, f32[B, ...].
        """

    # Draws lead, [S, B, L], so that sums and means over draws are over the first axis everywhere.
    def log_likelihood(self, variables: Variables, batch: Batch, z: Array) -> Array:
        """Return log p(x|z), with its normaliser.

        Args:
            variables: Trained variables.
            batch: Batch of data.
            z: S codes for each example, f32[S, B, L].

        Returns:
            f32[S, B], nats.
        """

    def log_prior(self, variables: Variables, z: Array) -> Array:
        """Return log p(z), with its normaliser.

        Args:
            variables: Trained variables.
            z: Codes, f32[S, B, L].

        Returns:
            f32[S, B], nats.
        """


@runtime_checkable
class Generative(Autoencoder, Protocol):
    """Autoencoder with a prior over its codes.

    Gives: `sample` of a result, `jaxae sample`, figures of samples, measures of samples.
    """

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """Return draws z ~ p(z).

        Args:
            variables: Trained variables.
            key: Key of the draws.
            num: Number of draws.

        Returns:
            The codes, f32[num, L].
        """


@runtime_checkable
class ExactLikelihood(Protocol):
    """Model with log p(x) in closed form.

    Gives: `log_prob` in scores, sweeps and measures.
    """

    def log_prob(self, variables: Variables, batch: Batch) -> Array:
        """Return log p(x), or log p(x|y) for a model with a condition.

        Args:
            variables: Trained variables.
            batch: Batch of data.

        Returns:
            f32[B], nats, summed over pixels or positions.
        """


@runtime_checkable
class Conditional(Protocol):
    """Model that sees labels as a condition, if `num_classes` is above 0.

    Gives: labels checked against the data, and y in `encode`, `decode` and `sample` of a result.
    """

    @property
    def num_classes(self) -> int:
        """Number of labels 0, ..., num_classes - 1; 0 for no condition."""

    @property
    def condition(self) -> Any:
        """Method from labels i32[B] to the input of the nets, or the `Condition` that has one."""


@runtime_checkable
class Classifier(Autoencoder, Protocol):
    """Autoencoder with a head that predicts labels, if `num_classes` is above 0.

    Gives: labels checked against the data, `error_rate` in scores, sweeps and measures.
    """

    @property
    def num_classes(self) -> int:
        """Number of labels 0, ..., num_classes - 1; 0 for no head."""

    def logits(self, variables: Variables, batch: Batch) -> Array:
        """Return the logits of the labels.

        Args:
            variables: Trained variables.
            batch: Batch of data.

        Returns:
            f32[B, num_classes]; the prediction is the largest.
        """


@runtime_checkable
class Tokenizer(Autoencoder, Protocol):
    """Autoencoder whose code is a sequence of tokens: one of K integers at each of P positions.

    Gives: `--tokenizer RUN` (tokens as data of a `TokenPrior`), `codebook_perplexity`, `codebook_usage` and
    other measures of tokens.
    """

    @property
    def num_codes(self) -> int:
        """Number of codes, K; tokens are 0, ..., K - 1."""

    def tokens(self, variables: Variables, batch: Batch) -> Array:
        """Return the tokens of each example.

        Args:
            variables: Trained variables.
            batch: Batch of data.

        Returns:
            i32[B, P], values 0 to K - 1.
        """

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Return the codes of tokens, as `decode` takes them.

        Args:
            variables: Trained variables.
            tokens: Tokens, i32[B, P].

        Returns:
            f32[B, L]; `embed(tokens(x))` equals `encode(x)`.
        """


# Separate from `Tokenizer`, whose tokens are flat: only data of tokens need the shape of the grid.
@runtime_checkable
class TokenGrid(Protocol):
    """`Tokenizer` whose positions form a grid.

    Gives: tokens as data in the shape of the grid.
    """

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of an example's tokens; P is its product."""


@runtime_checkable
class TokenModel(Model, Protocol):
    """Autoregressive distribution over the tokens of a tokenizer.

    Gives: `sample` and `sample_tokens` of a result, `jaxae sample`, measures of its samples. Without
    `CachedTokenModel` each token of a sample costs a pass over all positions.
    """

    @property
    def num_codes(self) -> int:
        """Number of codes, K; tokens are 0, ..., K - 1."""

    @property
    def num_positions(self) -> int:
        """Number of tokens of an example, P."""

    @property
    def condition(self) -> Condition | None:
        """Part that turns y into the ids before the tokens; None for no condition."""

    def prefix(self, batch: Batch) -> Array:
        """Return the ids that precede the tokens, i32[B, T], made from `batch.y`.

        Raises:
            JaxaeError: If y is missing or has another shape.
        """

    def null_prefix(self, num: int) -> Array:
        """Return the prefix of `num` sequences without a condition, i32[num, T]."""

    def logits(self, variables: Variables, tokens: Array, prefix: Array) -> Array:
        """Return the logits of each token given the prefix and the tokens before it.

        Args:
            variables: Trained variables.
            tokens: Tokens, i32[B, P].
            prefix: Ids before the tokens, i32[B, T].

        Returns:
            f32[B, P, K]. The logits at position p must not depend on tokens p, ..., P - 1: while sampling,
            those are still 0.
        """


@runtime_checkable
class CachedTokenModel(TokenModel, Protocol):
    """`TokenModel` that continues a sequence from a cache. A position is a vector of width W.

    Gives: samples at the cost of one pass over all positions.
    """

    # These methods take `params` alone: sampling runs under jit and needs no `extra`.
    def cache(self, params: Params, num: int) -> Any:
        """Return an empty cache.

        Args:
            params: Parameters of the model; the cache has their precision.
            num: Number of sequences.

        Returns:
            A pytree of arrays. `trunk` must keep their shapes and dtypes, since sampling carries the cache
            through a `jax.lax.scan`.
        """

    def embed_prefix(self, params: Params, prefix: Array) -> Array:
        """Return the input vectors of the prefix.

        Args:
            params: Parameters of the model.
            prefix: Ids before the tokens, i32[B, T].

        Returns:
            f32[B, T, W].
        """

    def embed_tokens(self, params: Params, tokens: Array) -> Array:
        """Return the input vectors of tokens.

        Args:
            params: Parameters of the model.
            tokens: Tokens, i32[B, P].

        Returns:
            f32[B, P, W].
        """

    def trunk(self, params: Params, rows: Array, cache: Any, start: int | Array) -> tuple[Array, Any]:
        """Return the outputs of the next S positions and the cache that includes them.

        Args:
            params: Parameters of the model.
            rows: Input vectors of these positions, f32[B, S, W].
            cache: Cache of the positions before `start`.
            start: Number of the first of these positions, counted from the start of the prefix.

        Returns:
            The outputs f32[B, S, W] and the new cache. The output at a position predicts the token at the
            next one. The last position of the prefix predicts the first token, so T is 1 or more.
        """

    def head(self, params: Params, outputs: Array) -> Array:
        """Return the logits of the next token.

        Args:
            params: Parameters of the model.
            outputs: Outputs of `trunk`, f32[B, S, W].

        Returns:
            f32[B, S, K].
        """


@runtime_checkable
class GuidedTokenModel(TokenModel, Protocol):
    """`TokenModel` that may have learned the null condition too.

    Gives: classifier-free guidance in sampling, if `drop_condition` is above 0.
    """

    @property
    # Any, since a field that is a float is a traced f32[] inside jit.
    def drop_condition(self) -> Any:
        """Share of training rows that saw the null condition, f32[] or a number; 0 for none."""


@runtime_checkable
class SparseCodes(Protocol):
    """Autoencoder whose latent units can be off, exactly 0.

    Gives: `active_units`, `dead_units` and `dense_units`.
    """

    @property
    def has_exact_zeros(self) -> bool:
        """True if units of these codes can be exactly 0."""


@runtime_checkable
class ActivatedCodes(Protocol):
    """Autoencoder that names the activation of its code.

    Gives: for "sigmoid" the measure `saturated`, and codes in [0, 1]. The next stage of a stack may compare
    these by a likelihood of the unit interval.
    """

    @property
    def activation(self) -> str:
        """Name of the activation, such as "sigmoid"."""


@runtime_checkable
class SeparateOptimizers(Protocol):
    """Model with groups of parameters that have a separate optimiser, such as a discriminator.

    Gives: these optimisers for these groups, the experiment's optimiser for all others.
    """

    def optimizers(self) -> Mapping[str, Optimizer]:
        """Return optimisers by the name of their group: a key of the first level of `params`."""


@runtime_checkable
class Phased(Protocol):
    """Model that trains some groups of parameters at some steps only, such as greedy stages.

    Gives: groups that stay unchanged while they do not learn, and fresh optimiser states whenever the set of
    learning groups changes.
    """

    # An array, since the step is traced: a Python bool would be fixed when the program is compiled.
    def trained(self, step: Array) -> Mapping[str, Any]:
        """Return bool[] for groups of parameters: True if the group learns at `step` i32[].

        A group is a key of the first level of `params`. Groups without an entry always learn.
        """


@runtime_checkable
class DataDependent(Protocol):
    """Model, or part of a model, that takes hyperparameters from the data.

    Gives: the fitted model in place of the given one, before training.
    """

    def fitted(self, dataset: TrainingData) -> Self:
        """Return a copy with the hyperparameters that the data set determines.

        Raises:
            JaxaeError: If the data do not fit the model.
        """


@runtime_checkable
class ReconstructionModel(Protocol):
    """Model that names its comparison of x with the reconstruction.

    Gives: use as first stage of a `Stacked`, which compares x with the whole reconstruction by it; for a
    `Tokenizer` with a density the ELBO under uniform tokens, and the ELBO of a prior over its tokens; its
    name in the column `how` of measures.
    """

    @property
    def reconstruction(self) -> Reconstruction:
        """Part that compares x with its reconstruction."""


@runtime_checkable
class LikelihoodModel(Protocol):
    """Model that names its p(x|z).

    Gives: use as first stage of a `Stacked`, which compares x with the whole reconstruction by it; simulated
    examples, if it is a `SampledLikelihood`; its name in the column `how` of measures.
    """

    @property
    def likelihood(self) -> Likelihood:
        """Likelihood p(x|z)."""


@runtime_checkable
class PriorModel(Protocol):
    """Model that names its p(z).

    Gives: a figure of the plane of codes, for a `StandardPrior` that is N(0, I).
    """

    @property
    def prior(self) -> Prior:
        """Prior p(z)."""


@runtime_checkable
class CodeSize(Protocol):
    """Model that declares the size of its code.

    Gives: use as a stage of a `Stacked`, whose next stage sees codes of this size.
    """

    @property
    def latent_dim(self) -> int:
        """Size of a code, L."""


@runtime_checkable
class DataShaped(Protocol):
    """Model with the shape of an example among its fields.

    Gives: `data_shape` filled in from the data, and an error if it is given and differs.
    """

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of one example; () until the data are known."""


@runtime_checkable
class ExampleCount(Protocol):
    """Model with the number of training examples among its fields.

    Gives: `num_examples` filled in from the data if it is 0.
    """

    @property
    def num_examples(self) -> int:
        """Number of training examples, N; 0 until the data are known."""


def comparison_of(model: Model) -> Reconstruction | None:
    """Return the part by which a model compares x with its reconstruction.

    That is `reconstruction` or, if the model has none, `likelihood`. None if it has neither.
    """
    if isinstance(model, ReconstructionModel):
        return model.reconstruction
    return model.likelihood if isinstance(model, LikelihoodModel) else None


def evaluation_terms(model: Model, variables: Variables, batch: Batch, key: Key) -> Terms:
    """Return the terms by which a model is evaluated.

    Args:
        model: Model; without `evaluation_terms` its `terms` are used.
        variables: Trained variables.
        batch: Batch of data.
        key: Key of the noise.

    Returns:
        A dict of f32[B] by name.
    """
    if isinstance(model, EvaluationTerms):
        return model.evaluation_terms(variables, batch, key)
    # The new `extra` is dropped: an evaluation must not move running averages or a codebook.
    return model.terms(variables, batch, key)[0]
