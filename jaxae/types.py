"""The nouns. Shapes: B batch, S Monte Carlo samples, L latent, D pixels, H W C image, N examples."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from jax import Array

Key = Array  # from keys.py: used once, never stored, never reused
Shape = tuple[int, ...]
Params = Any  # a pytree of f32 arrays, as linen gives it
Terms = dict[str, Array]  # name -> f32[B], to be minimised, never averaged; nats where it is a density


class Batch(NamedTuple):
    """What an autoencoder sees: x f32[B, ...] in the data's unit, y the condition (or ())."""

    x: Any  # an Array, or the shape and dtype of one
    y: Any = ()


class Examples(NamedTuple):
    """A split as it lies in memory: x uint8[N, ...] or f32[N, ...], y i32[N] or (), scale f32[].

    `x / scale` is what the autoencoder sees: uint8 stays uint8 on the device, four times smaller. Rows that
    each training step binarises are grey until then.
    """

    x: Any
    y: Any
    scale: Any


class Variables(NamedTuple):
    """params: learned by gradients; extra: carried along, not learned (an EMA codebook), () for most."""

    params: Params
    extra: Any = ()


@runtime_checkable
class Model(Protocol):
    """A spec (hyperparameters) with pure methods: what can be trained.

    Schedules among its fields are numbers by the time that `terms` is called: those of the step.
    """

    def init(self, key: Key, batch: Batch) -> Variables:
        """Fresh variables for batches shaped like `batch`."""

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Named f32[B] to be minimised, never averaged or weighted, and the new `extra`."""

    def weights(self, step: Array) -> dict[str, Any]:
        """The weight of each term at `step` i32[]; names exactly those of `terms`."""


@runtime_checkable
class Autoencoder(Model, Protocol):
    """A model with codes: the whole contract between an autoencoder and jaxae."""

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """The deterministic code f32[B, L] (a posterior's mean)."""

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """f32[B, L] -> the parameters of p(x|z), by name (`logits`, `mean`), never an image.

        y: the condition, where the autoencoder takes one.
        """

    def image(self, parameters: dict[str, Array]) -> Array:
        """The mean of p(x|z) from what `decode` gave: f32[B, ...] in the data's unit."""


@runtime_checkable
class EvaluationTerms(Protocol):
    """A model whose terms are computed in another way when it is evaluated: dropout, batch normalisation.

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


def evaluation_terms(model: Model, variables: Variables, batch: Batch, key: Key) -> Terms:
    """Return the terms f32[B] by which a model is evaluated: `evaluation_terms`, or else those of `terms`."""
    if isinstance(model, EvaluationTerms):
        return model.evaluation_terms(variables, batch, key)
    return model.terms(variables, batch, key)[0]
