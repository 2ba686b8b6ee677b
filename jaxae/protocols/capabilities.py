"""What a model can do: a protocol for each capability, found by `isinstance`.

`Model` is what training needs. Every other protocol is optional: a model that has its members gets what
stands after "Gives". A run refuses a model that has a part of them only, if what they do together is lost.
Shapes: B batch, S samples, L latent, P positions, K codes, H W C image.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

from jax import Array

from jaxae.protocols.dataset import TrainingData
from jaxae.protocols.parts import Condition, Likelihood, Optimizer, Posterior, Prior, Reconstruction
from jaxae.types import Batch, Key, Params, Terms, Variables


@runtime_checkable
class Model(Protocol):
    """A spec (hyperparameters) with pure methods. Its schedules are numbers when `terms` is called.

    Gives: training, validation loss, early stopping, checkpoints, resume, sweeps.
    """

    def init(self, key: Key, batch: Batch) -> Variables:
        """Return fresh variables for batches shaped like `batch`."""

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Return named f32[B] to be minimised, never averaged or weighted, and the new `extra`."""

    def weights(self, step: Array) -> Mapping[str, Any]:
        """Return the weight of each term at `step` i32[]; names exactly those of `terms`."""


@runtime_checkable
class Autoencoder(Model, Protocol):
    """A model with codes.

    Gives: `encode`, `reconstruct` and `decode` of a result; reconstruction errors, probes and other measures
    of codes, figures of reconstructions and codes.
    """

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the deterministic code f32[B, L] (the mean of a posterior)."""

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> Any:
        """Return the parameters of p(x|z) for z f32[B, L], by name (`logits`, `mean`), never an image.

        y: the condition, if the model has one.
        """

    def image(self, parameters: Any) -> Array:
        """Return the mean of p(x|z), f32[B, ...] in the data's unit, from what `decode` returned."""


@runtime_checkable
class EvaluationTerms(Protocol):
    """A model whose terms are computed in another way when it is evaluated: dropout, batch normalisation.

    Gives: validation loss, early stopping and scores by these terms, in place of those of `terms`.

    `terms` is the training objective: it draws dropout's masks from its key, normalises by the batch, and
    returns the new running averages as `extra`. `evaluation_terms` is used in its place for the validation
    loss, by which the best epoch is chosen and training stops early, for scores and in sweeps. `encode`,
    `decode`, `image` and the other methods evaluate too: they apply the nets as this one does. Without it
    `terms` serves both.

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
        """Return the terms of `terms` by name, f32[B], as the model is evaluated."""


@runtime_checkable
class TermUnits(Protocol):
    """A model that knows the units of its terms.

    Gives: units of the terms in scores and tables.
    """

    def term_units(self) -> Mapping[str, str]:
        """Return the unit of each term, such as "nats"; names that `terms` never has do no harm."""


@runtime_checkable
class BatchTerms(Protocol):
    """A model, or a part of one, with terms that are statistics of the batch.

    Gives: a warning where a batch is one example.
    """

    @property
    def batch_terms(self) -> tuple[str, ...]:
        """The names of terms that depend on the other examples of a batch."""


@runtime_checkable
class MinimumBatch(Protocol):
    """A model, or a part of one, whose statistics need more than one example.

    Gives: an error before training, if a batch or a split has fewer examples.
    """

    @property
    def min_batch(self) -> int:
        """The least number of examples in a batch."""


@runtime_checkable
class MonteCarlo(Protocol):
    """A model that decodes several codes of each example in training.

    Gives: an estimate of a sweep's memory that counts them.
    """

    @property
    def num_samples(self) -> int:
        """S, codes that are drawn for each example."""


@runtime_checkable
class LatentVariableModel(Model, Protocol):
    """A model with bounds of log p(x).

    Gives: `elbo` and `iwelbo_K` with effective sample size and Pareto k, in scores, sweeps and measures; a
    search by the ELBO.
    """

    def log_weights(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Return log p(x|z) + log p(z) - log q(z|x) at S draws z ~ q(z|x), f32[S, B], nats."""

    def elbo(self, variables: Variables, batch: Batch, key: Key, num_samples: int) -> Array:
        """Return E_q[log p(x|z)] - KL(q(z|x) || p(z)) by S draws, f32[B], nats."""


@runtime_checkable
class ElboParts(LatentVariableModel, Protocol):
    """A model whose ELBO has two parts.

    Gives: `distortion` and `rate` by the draws of `elbo`, in scores and measures; a part whose name a loss
    term has is left out of scores, unless the model has `ElboTerms`.
    """

    def elbo_parts(
        self, variables: Variables, batch: Batch, key: Key, num_samples: int
    ) -> tuple[Array, Array]:
        """Return -E_q[log p(x|z)] and KL(q(z|x) || p(z)) by S draws, f32[B] each, nats."""


@runtime_checkable
class ElboTerms(Protocol):
    """A model with loss terms that are estimates of parts of its ELBO (of a `Tokenizer`, of the distortion).

    Gives: in scores these terms by the draws of `elbo`, so that elbo = -(distortion + rate).

    It belongs to the class that defines `terms`: a subclass with other `terms` does not inherit it.
    """

    @property
    def elbo_terms(self) -> tuple[str, ...]:
        """The names of these terms: of "distortion" and "rate"."""


@runtime_checkable
class JointDensity(Autoencoder, Protocol):
    """A model with q(z|x), and log p(x|z) and log p(z) of any code.

    Gives: log p(x) by quadrature, and by annealed importance sampling if it is `Generative` too; inference
    gaps, information and marginal KL of codes, the rate of each dimension, figures of posteriors.
    """

    @property
    def posterior(self) -> Posterior:
        """q(z|x)."""

    @property
    def latent_dim(self) -> int:
        """L, the size of a code."""

    def infer(self, variables: Variables, batch: Batch) -> Array:
        """Return the encoder's outputs f32[B, ...], which `posterior` reads as q(z|x)."""

    def log_likelihood(self, variables: Variables, batch: Batch, z: Array) -> Array:
        """Return log p(x|z), f32[S, B, L] -> f32[S, B], nats."""

    def log_prior(self, variables: Variables, z: Array) -> Array:
        """Return log p(z), f32[S, B, L] -> f32[S, B], nats."""


@runtime_checkable
class Generative(Autoencoder, Protocol):
    """An autoencoder with a prior over its codes.

    Gives: `sample` of a result, `jaxae sample`, figures of samples, measures of samples.
    """

    def prior_sample(self, variables: Variables, key: Key, num: int) -> Array:
        """Return z ~ p(z), f32[num, L]."""


@runtime_checkable
class ExactLikelihood(Protocol):
    """A model with log p(x) in closed form.

    Gives: `log_prob` in scores, sweeps and measures.
    """

    def log_prob(self, variables: Variables, batch: Batch) -> Array:
        """Return log p(x), or log p(x|y) under a condition, f32[B], nats."""


@runtime_checkable
class Conditional(Protocol):
    """A model that sees labels as a condition, if it has classes.

    Gives: labels checked against the data, and y in `encode`, `decode` and `sample` of a result.
    """

    @property
    def num_classes(self) -> int:
        """Labels are 0, ..., num_classes - 1; 0 for no condition."""

    @property
    def condition(self) -> Any:
        """A method from labels i32[B] to what the nets see, or the `Condition` that has one."""


@runtime_checkable
class Classifier(Autoencoder, Protocol):
    """An autoencoder with a head that predicts labels, if it has classes.

    Gives: labels checked against the data, `error_rate` in scores, sweeps and measures.
    """

    @property
    def num_classes(self) -> int:
        """Labels are 0, ..., num_classes - 1; 0 for no head."""

    def logits(self, variables: Variables, batch: Batch) -> Array:
        """Return the logits of each label, f32[B, num_classes]."""


@runtime_checkable
class Tokenizer(Autoencoder, Protocol):
    """An autoencoder whose codes are tokens: whole numbers at some positions.

    Gives: `--tokenizer RUN` (tokens as data of a `TokenPrior`), `codebook_perplexity`, `codebook_usage` and
    other measures of tokens.
    """

    @property
    def num_codes(self) -> int:
        """K, a token is one of 0, ..., K - 1."""

    def tokens(self, variables: Variables, batch: Batch) -> Array:
        """Return the tokens of each example, i32[B, P]."""

    def embed(self, variables: Variables, tokens: Array) -> Array:
        """Return the code of tokens, i32[B, P] -> f32[B, L]."""


@runtime_checkable
class TokenGrid(Protocol):
    """A `Tokenizer` whose positions form a grid.

    Gives: tokens as data in the shape of the grid.
    """

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of an example's tokens; P is its product."""


@runtime_checkable
class TokenModel(Model, Protocol):
    """A distribution over the tokens of a tokenizer, one position after another.

    Gives: `sample` and `sample_tokens` of a result, `jaxae sample`, measures of its samples. Without
    `CachedTokenModel` each token of a sample costs a pass over all positions.
    """

    @property
    def num_codes(self) -> int:
        """K, a token is one of 0, ..., K - 1."""

    @property
    def num_positions(self) -> int:
        """P, tokens of an example."""

    @property
    def condition(self) -> Condition | None:
        """What y is; None for tokens without a condition."""

    def prefix(self, batch: Batch) -> Array:
        """Return what stands before the first token, i32[B, T]: the ids of y. Raises: JaxaeError."""

    def null_prefix(self, num: int) -> Array:
        """Return the same for no condition, i32[num, T]."""

    def logits(self, variables: Variables, tokens: Array, prefix: Array) -> Array:
        """Return f32[B, P, K] for tokens i32[B, P]; the logits of token p depend on none from p on."""


@runtime_checkable
class CachedTokenModel(TokenModel, Protocol):
    """A `TokenModel` that goes on from a cache of the positions before. W numbers describe a position.

    Gives: samples at the cost of one pass over all positions.
    """

    def cache(self, params: Params, num: int) -> Any:
        """Return an empty cache for `num` sequences."""

    def embed_prefix(self, params: Params, prefix: Array) -> Array:
        """Return the vectors of what stands before the tokens, i32[B, T] -> [B, T, W]."""

    def embed_tokens(self, params: Params, tokens: Array) -> Array:
        """Return the vectors of tokens, i32[B, P] -> [B, P, W]."""

    def trunk(self, params: Params, rows: Array, cache: Any, start: int | Array) -> tuple[Array, Any]:
        """Return the outputs [B, S, W] of the positions from `start`, and the cache with them."""

    def head(self, params: Params, outputs: Array) -> Array:
        """Return the logits of outputs, [B, S, W] -> f32[B, S, K]."""


@runtime_checkable
class GuidedTokenModel(TokenModel, Protocol):
    """A `TokenModel` that may have learned the null condition too.

    Gives: guidance in sampling, if it has.
    """

    @property
    def drop_condition(self) -> Any:
        """Share of training rows without their condition, f32[] or a number; 0 if none."""


@runtime_checkable
class SparseCodes(Protocol):
    """An autoencoder whose units can be off, exactly 0.

    Gives: `active_units`, `dead_units` and `dense_units`.
    """

    @property
    def has_exact_zeros(self) -> bool:
        """Whether units of these codes can be exactly 0."""


@runtime_checkable
class ActivatedCodes(Protocol):
    """An autoencoder that names the activation of its code.

    Gives: for "sigmoid" the measure `saturated`, and codes in [0, 1] that the next stage of a stack may
    compare by a likelihood of the unit interval.
    """

    @property
    def activation(self) -> str:
        """The name of the activation."""


@runtime_checkable
class SeparateOptimizers(Protocol):
    """A model with groups of parameters that have an optimiser of their own, such as a discriminator.

    Gives: these optimisers for these groups, the experiment's optimiser for all others.
    """

    def optimizers(self) -> Mapping[str, Optimizer]:
        """Return the optimiser of some groups, by their names on the first level of `params`."""


@runtime_checkable
class Phased(Protocol):
    """A model that trains some groups of parameters at some steps only, such as greedy stages.

    Gives: groups that stay unchanged while they do not learn, and fresh optimiser states when they start.
    """

    def trained(self, step: Array) -> Mapping[str, Any]:
        """Return bool[] for some groups of parameters: whether they learn at `step` i32[]."""


@runtime_checkable
class DataDependent(Protocol):
    """A model that takes hyperparameters from the data.

    Gives: the fitted model in place of the given one, before training.
    """

    def fitted(self, dataset: TrainingData) -> Self:
        """Return the model with what it takes from a data set. Raises: JaxaeError for unfit data."""


@runtime_checkable
class ReconstructionModel(Protocol):
    """A model that names how it compares x and its reconstruction.

    Gives: a first stage of a `Stacked`, which compares the whole by it; for a `Tokenizer` and a density the
    ELBO under uniform tokens, and that of a prior over its tokens; its name in how measures were made.
    """

    @property
    def reconstruction(self) -> Reconstruction:
        """How x and its reconstruction are compared."""


@runtime_checkable
class LikelihoodModel(Protocol):
    """A model that names its p(x|z).

    Gives: a first stage of a `Stacked`, which compares the whole by it; for a `SampledLikelihood` simulated
    examples; its name in how measures were made.
    """

    @property
    def likelihood(self) -> Likelihood:
        """p(x|z)."""


@runtime_checkable
class PriorModel(Protocol):
    """A model that names its p(z).

    Gives: a figure of the plane of codes, for a `StandardPrior` that is N(0, I).
    """

    @property
    def prior(self) -> Prior:
        """p(z)."""


@runtime_checkable
class CodeSize(Protocol):
    """A model that knows the size of its code.

    Gives: a stage of a `Stacked`, whose next stage sees codes of this size.
    """

    @property
    def latent_dim(self) -> int:
        """L."""


@runtime_checkable
class DataShaped(Protocol):
    """A model with the shape of an example among its fields.

    Gives: `data_shape` filled in from the data, and an error if it is given and differs.
    """

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one example; () until the data are known."""


@runtime_checkable
class ExampleCount(Protocol):
    """A model with the number of training examples among its fields.

    Gives: `num_examples` filled in from the data where it is 0.
    """

    @property
    def num_examples(self) -> int:
        """N, the number of training examples; 0 until the data are known."""


def comparison_of(model: Model) -> Reconstruction | None:
    """Return how a model compares x and its reconstruction: `reconstruction`, or `likelihood`, or None."""
    if isinstance(model, ReconstructionModel):
        return model.reconstruction
    return model.likelihood if isinstance(model, LikelihoodModel) else None


def evaluation_terms(model: Model, variables: Variables, batch: Batch, key: Key) -> Terms:
    """Return the terms f32[B] by which a model is evaluated: `evaluation_terms`, or else those of `terms`."""
    if isinstance(model, EvaluationTerms):
        return model.evaluation_terms(variables, batch, key)
    return model.terms(variables, batch, key)[0]
