"""Mistakes in an autoencoder of one's own: one line each, before anything is trained."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from typing_extensions import get_protocol_members

import jaxae
from jaxae import contract
from jaxae.contract.capability_checks import TRIALS
from jaxae.data import from_arrays
from jaxae.protocols.capabilities import TokenModel
from jaxae.protocols.parts import Posterior
from jaxae.runs.experiment import resolve
from jaxae.types import Batch
from tests import small

SIZE, L = 10, 3
# A model of tokens has another `logits`: tests/outside/test_mistaken_parts.py has its mistakes.
TRIED = [capability for capability, _ in TRIALS if TokenModel not in capability.__mro__]
BATCH = Batch(jax.ShapeDtypeStruct((SIZE, 4, 4, 1), np.float32), jax.ShapeDtypeStruct((SIZE,), np.int32))


class Own:
    """A variational autoencoder of one's own with everything that jaxae asks for where it is offered."""

    beta: float = 1.0
    num_classes: int = 3
    num_codes: int = 4
    latent_dim: int = L
    posterior: Posterior = jaxae.DiagonalGaussian()

    def init(self, key: Any, batch: Any) -> Any:
        return jaxae.Variables(
            {"net": {"w": jnp.ones((16, L))}, "judge": jnp.ones(())}, {"mean": jnp.zeros(L)}
        )

    def terms(self, variables: Any, batch: Any, key: Any) -> Any:
        z = self.encode(variables, batch)
        error = ((batch.x - self.image(self.decode(variables, z))) ** 2).sum(axis=(1, 2, 3))
        return {"error": error, "penalty": self.beta * (z**2).sum(axis=1)}, {"mean": z.mean(axis=0)}

    def evaluation_terms(self, variables: Any, batch: Any, key: Any) -> Any:
        return self.terms(variables, batch, key)[0]

    def weights(self, step: Any) -> Any:
        return {"error": 1.0, "penalty": jnp.float32(2.0)}

    def encode(self, variables: Any, batch: Any) -> Any:
        return batch.x.reshape(batch.x.shape[0], -1) @ variables.params["net"]["w"]

    def decode(self, variables: Any, z: Any, y: Any = ()) -> Any:
        return {"mean": (z @ variables.params["net"]["w"].T).reshape(-1, 4, 4, 1)}

    def image(self, parameters: Any) -> Any:
        return parameters["mean"]

    def condition(self, y: Any) -> Any:
        return y

    def prior_sample(self, variables: Any, key: Any, num: int) -> Any:
        return jax.random.normal(key, (num, L))

    def log_weights(self, variables: Any, batch: Any, key: Any, num_samples: int) -> Any:
        return jnp.zeros((num_samples, batch.x.shape[0]))

    def elbo(self, variables: Any, batch: Any, key: Any, num_samples: int) -> Any:
        return jnp.zeros(batch.x.shape[0])

    def elbo_parts(self, variables: Any, batch: Any, key: Any, num_samples: int) -> Any:
        return jnp.zeros(batch.x.shape[0]), jnp.zeros(batch.x.shape[0])

    def term_units(self) -> Any:
        return {"error": "data unit squared"}

    def infer(self, variables: Any, batch: Any) -> Any:
        return jnp.tile(self.encode(variables, batch), 2)

    def log_likelihood(self, variables: Any, batch: Any, z: Any) -> Any:
        return z.sum(axis=-1)

    def log_prior(self, variables: Any, z: Any) -> Any:
        return z.sum(axis=-1)

    def tokens(self, variables: Any, batch: Any) -> Any:
        return jnp.zeros((batch.x.shape[0], 2), jnp.int32)

    def embed(self, variables: Any, tokens: Any) -> Any:
        return jnp.zeros((tokens.shape[0], L))

    def logits(self, variables: Any, batch: Any) -> Any:
        return self.encode(variables, batch)

    def log_prob(self, variables: Any, batch: Any) -> Any:
        return jnp.zeros(batch.x.shape[0])

    def optimizers(self) -> Any:
        return {"judge": jaxae.Adam()}

    def trained(self, step: Any) -> Any:
        return {"judge": step > 2}


def own(**changes: Any) -> Any:
    """An `Own` with other methods, or without those that are None."""
    members = {name: value for name, value in vars(Own).items() if not name.startswith("__")}
    kept = {name: value for name, value in (members | changes).items() if value is not None}
    annotations = {name: kind for name, kind in Own.__annotations__.items() if name in kept}
    return jaxae.spec(type("Own", (), {**kept, "__annotations__": annotations, "__module__": __name__}))()


def refused(model: Any, **changes: Any) -> str:
    """The message with which an experiment is refused; one line."""
    experiment = small.experiment(model, batch_size=SIZE, **changes)
    with pytest.raises(jaxae.JaxaeError) as caught:
        resolve(experiment, from_arrays(small.images(), small.labels(90), experiment.data))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_has_no_mistake_is_trained_and_scored() -> None:
    experiment = small.experiment(own(), epochs=1, batch_size=SIZE)
    result = jaxae.fit(experiment, small.images(), small.labels(90))
    assert {"elbo", "log_prob", "error_rate", "codebook_usage"} <= result.scores["test"].keys()
    assert all(isinstance(own(), capability) for capability in TRIED), "every trial is made of it"


def gives(value: Any) -> Callable[..., Any]:
    """A method that gives always the same."""
    return lambda self, *arguments, **named: value


def terms_with(term: Callable[[jax.Array], Any]) -> Callable[..., Any]:
    """`terms` whose penalty is another."""

    def terms(self: Any, variables: Any, batch: Any, key: Any) -> Any:
        found, extra = Own.terms(self, variables, batch, key)
        return {**found, "penalty": term(found["penalty"])}, extra

    return terms


def extra_of(extra: Any) -> Callable[..., Any]:
    return lambda self, variables, batch, key: (Own.terms(self, variables, batch, key)[0], extra)


ROWS = jnp.zeros((SIZE, L))
VARIABLES = jaxae.Variables(
    {"net": {"w": jnp.ones((16, L), int)}, "judge": jnp.ones(())}, {"mean": jnp.zeros(L)}
)
NUMBERS = "expected a dict with a number for each term"
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no terms": ({"terms": None}, "Own has no terms; a model has init, terms and weights"),
    "no image": ({"image": None}, "Own has no image; an autoencoder has encode, decode and image"),
    "no encode, no decode": ({"encode": None, "decode": None}, "Own has no encode and decode; an auto"),
    "encode is a number": ({"encode": 3}, "Own.encode is an int, expected a method"),
    "init gives params": (
        {"init": gives({"w": ROWS})},
        "Own.init gave a dict, expected jaxae.Variables(params, extra)",
    ),
    "init gives a pair": ({"init": gives(({}, ()))}, "Own.init gave a tuple of 2, expected jaxae.Variables"),
    "init gives text": (
        {"init": gives(jaxae.Variables({"w": "no"}))},
        "Own.init gave a str in .params['w'], expected",
    ),
    "params are whole": (
        {"init": gives(VARIABLES)},
        "Own.init gave params['net']['w'] of dtype int32, expected floats",
    ),
    "terms gives a dict": (
        {"terms": gives({"error": ROWS[:, 0]})},
        "Own.terms gave a dict, expected a pair, the terms",
    ),
    "terms gives an array": ({"terms": gives(ROWS[:, 0])}, "Own.terms gave float32[10], expected a pair"),
    "terms gives nothing": ({"terms": gives(None)}, "Own.terms gave None, expected a pair"),
    "terms in a list": (
        {"terms": gives(([ROWS[:, 0]], ()))},
        "Own.terms gave a list of 1 as terms, expected a dict",
    ),
    "no term": ({"terms": gives(({}, ()))}, "Own.terms gave no term, expected one or more"),
    "averaged": (
        {"terms": terms_with(jnp.mean)},
        "term 'penalty' of Own.terms has shape () for a batch of 10, expected (10,)",
    ),
    "a column": (
        {"terms": terms_with(lambda term: term[:, None])},
        "has shape (10, 1) for a batch of 10, expected (10,)",
    ),
    "whole": (
        {"terms": terms_with(lambda term: term.astype(int))},
        "'penalty' of Own.terms has dtype int32, expected float32",
    ),
    "half": (
        {"terms": terms_with(lambda term: term.astype(jnp.bfloat16))},
        "has dtype bfloat16, expected float32",
    ),
    "a text": (
        {"terms": terms_with(lambda term: "none")},
        "'penalty' of Own.terms has the value of a str, expected an array",
    ),
    "no extra": ({"terms": extra_of(())}, "Own.terms gave extra as (()), but init gave ({'mean': *})"),
    "longer extra": (
        {"terms": extra_of({"mean": jnp.zeros(4)})},
        "gave extra['mean'] as float32[4], but init gave float32[3]",
    ),
    "whole extra": (
        {"terms": extra_of({"mean": jnp.zeros(3, int)})},
        "gave extra['mean'] as int32[3], but init gave float32",
    ),
    "weights differ": (
        {"weights": gives({"error": 1.0})},
        "terms ['error', 'penalty'] and weights ['error'] of Own differ",
    ),
    "weights in a list": ({"weights": gives([1.0])}, f"Own.weights gave a list of 1, {NUMBERS}"),
    "weights of vectors": (
        {"weights": gives({"error": ROWS, "penalty": 1.0})},
        "Own.weights gave float32[10, 3] for 'error', expected a number",
    ),
    "evaluation of another name": (
        {"evaluation_terms": gives({"error": ROWS[:, 0]})},
        "Own.evaluation_terms gave the terms ['error'], but terms gives ['error', 'penalty']",
    ),
    "evaluation gives a pair": (
        {"evaluation_terms": gives(({"error": ROWS[:, 0]}, ()))},
        "Own.evaluation_terms gave a tuple of 2 as terms, expected a dict of arrays by name",
    ),
    "codes of another shape": (
        {
            "encode": lambda self, _, batch: batch.x,
            "terms": gives(({"error": ROWS[:, 0], "penalty": ROWS[:, 0]}, {"mean": ROWS[0]})),
        },
        "Own.encode gave float32[10, 4, 4, 1] for a batch of 10, expected shape (10, L)",
    ),
    "codes of tokens": ({"encode": gives(ROWS.astype(int))}, "Own.encode gave dtype int32, expected floats"),
    "a mean code": (
        {"encode": gives(ROWS[0])},
        "Own.encode gave float32[3] for a batch of 10, expected shape (10, L)",
    ),
    "another latent_dim": ({"latent_dim": 2}, "Own.encode gave codes of 3 units, but latent_dim is 2"),
    "decode of text": (
        {
            "decode": gives({"mean": "no"}),
            "terms": gives(({"error": ROWS[:, 0], "penalty": ROWS[:, 0]}, {"mean": ROWS[0]})),
        },
        "Own.decode gave a str in ['mean'], expected an array",
    ),
    "decode without y": (
        {"decode": lambda self, variables, z: Own.decode(self, variables, z)},
        "Own.decode raised TypeError for",
    ),
    "flat images": (
        {
            "image": lambda self, parameters: parameters["mean"].reshape(-1, 16),
            "terms": gives(({"error": ROWS[:, 0], "penalty": ROWS[:, 0]}, {"mean": ROWS[0]})),
        },
        "Own.image gave float32[10, 16] for a batch of 10, expected shape (10, 4, 4, 1)",
    ),
    "num_classes below 0": (
        {"num_classes": -1},
        "Own.num_classes is -1, expected a whole number, 0 or more",
    ),
    "one draw": (
        {"prior_sample": gives(ROWS[0])},
        "Own.prior_sample gave float32[3] for a batch of 10, expected shape (12, 3)",
    ),
    "no elbo": ({"elbo": None}, "Own has log_weights but no elbo; expected both"),
    "log_weights transposed": (
        {"log_weights": lambda self, variables, batch, key, num: jnp.zeros((SIZE, num))},
        "Own.log_weights gave float32[10, 11] for a batch of 10, expected shape (11, 10)",
    ),
    "elbo of each draw": (
        {"elbo": gives(ROWS)},
        "Own.elbo gave float32[10, 3] for a batch of 10, expected shape (10,)",
    ),
    "elbo without num_samples": (
        {"elbo": lambda self, variables, batch, key: ROWS[:, 0]},
        "Own.elbo raised TypeError for",
    ),
    "one part of the elbo": (
        {"elbo_parts": gives(ROWS[:, 0])},
        "Own.elbo_parts gave float32[10], expected a pair: distortion and rate",
    ),
    "the rate of each unit": (
        {"elbo_parts": gives((ROWS[:, 0], ROWS))},
        "Own.elbo_parts gave float32[10, 3] for a batch of 10, expected shape (10,)",
    ),
    "elbo_parts without num_samples": (
        {"elbo_parts": lambda self, variables, batch, key: (ROWS[:, 0], ROWS[:, 0])},
        "Own.elbo_parts raised TypeError for",
    ),
    "units in a list": (
        {"term_units": gives(["nats"])},
        "Own.term_units gave a list of 1, expected a dict of texts by name",
    ),
    "units of a step": ({"term_units": lambda self, step: {}}, "Own.term_units raised TypeError for"),
    "no infer": ({"infer": None}, "Own has posterior but no infer; expected both"),
    "no posterior": ({"posterior": "normal"}, "model.posterior: got 'normal', expected Posterior"),
    "a posterior of other outputs": (
        {"infer": lambda self, variables, batch: jnp.tile(Own.encode(self, variables, batch), 3)},
        "model.posterior: DiagonalGaussian.mean raised ValueError",
    ),
    "log_likelihood of the batch": (
        {"log_likelihood": gives(ROWS[:, 0])},
        "Own.log_likelihood gave float32[10] for",
    ),
    "log_prior of a number": (
        {"log_prior": gives(0.0)},
        "Own.log_prior gave float32[] for a batch of 10, expected shape (11, 10)",
    ),
    "tokens are floats": ({"tokens": gives(ROWS)}, "Own.tokens gave dtype float32, expected whole numbers"),
    "no num_codes": ({"num_codes": None}, "Own has tokens but no num_codes; expected both"),
    "embed of positions": (
        {"embed": gives(ROWS[:, :2])},
        "Own.embed gave float32[10, 2] for a batch of 10, expected shape (10, 3)",
    ),
    "logits of two labels": (
        {"logits": gives(ROWS[:, :2])},
        "Own.logits gave float32[10, 2] for a batch of 10, expected shape (10, 3)",
    ),
    "log_prob of each unit": (
        {"log_prob": gives(ROWS)},
        "Own.log_prob gave float32[10, 3] for a batch of 10, expected shape (10,)",
    ),
    "optimizers of nobody": (
        {"optimizers": gives({"critic": jaxae.Adam()})},
        "names 'critic', but the groups of params are ['judge', 'net']",
    ),
    "optimizers in a list": (
        {"optimizers": gives([jaxae.Adam()])},
        "Own.optimizers gave a list of 1, expected a dict by name",
    ),
    "optimizers of numbers": (
        {"optimizers": gives({"judge": 1e-3})},
        "Own.optimizers gave a float for 'judge', expected an optimiser",
    ),
    "trained of nobody": (
        {"trained": gives({"critic": True})},
        "Own.trained names 'critic', but the groups of params are",
    ),
    "trained of numbers": (
        {"trained": gives({"judge": 1.0})},
        "Own.trained gave float32[] for 'judge', expected bool[]",
    ),
    "fitted gives nothing": ({"fitted": gives(None)}, "Own.fitted gave None, expected a Own"),
}


@pytest.mark.parametrize("name", list(MISTAKES))
def test_a_mistake_is_named_in_one_line(name: str) -> None:
    changes, message = MISTAKES[name]
    assert message in refused(own(**changes))


def raising(error: Exception) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        raise error

    return method


METHODS = sorted(
    {
        name
        for capability in TRIED
        for name in get_protocol_members(capability)
        if callable(getattr(Own, name))
    }
    | {"fitted"}
)


@pytest.mark.parametrize("method", METHODS)
def test_whatever_a_method_raises_is_named_with_its_line(method: str) -> None:
    """With the error itself as the cause, for a debugger."""
    error = KeyError("w\nand more")
    experiment = small.experiment(own(**{method: raising(error)}), batch_size=SIZE)
    with pytest.raises(
        jaxae.JaxaeError, match=r"raised KeyError.*: 'w\\nand more' \(.*test_mistakes\.py:\d+\)$"
    ) as caught:
        resolve(experiment, from_arrays(small.images(), small.labels(90), experiment.data))
    assert caught.value.__cause__ is error and "\n" not in str(caught.value)


def test_the_line_is_that_of_a_net_of_ones_own_inside_a_member() -> None:
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x: Any, shape: Any) -> Any:
            return x @ jnp.ones((3, 3))

    line = (
        Wide.__call__.__wrapped__.__code__.co_firstlineno + 2 if hasattr(Wide.__call__, "__wrapped__") else 0
    )
    message = refused(jaxae.AE(encoder=Wide(), latent_dim=3))
    assert message.startswith("model: AE.init raised TypeError for examples of shape (4, 4, 1): ")
    assert message.endswith(f"test_mistakes.py:{line})") or not line


def test_floats_are_traced_in_the_trial_as_in_training() -> None:
    def terms(self: Any, variables: Any, batch: Any, key: Any) -> Any:
        return Own.terms(self, variables, batch, key) if self.beta > 0 else None

    assert "Own.terms raised TracerBoolConversionError for examples" in refused(own(terms=terms))


def test_a_loss_without_a_gradient_is_named() -> None:
    def halved(term: jax.Array) -> Any:
        return jax.lax.while_loop(lambda value: (value > 1).any(), lambda value: value / 2, term)

    message = refused(own(terms=terms_with(halved)))
    assert "Own.terms raised ValueError for its gradient: Reverse-mode differentiation" in message


def test_the_precision_of_training_is_tried() -> None:
    """In bfloat16 what is carried of a parameter is no longer the float32 that `init` gave."""

    def terms(self: Any, variables: Any, batch: Any, key: Any) -> Any:
        found, _ = Own.terms(self, variables, batch, key)
        return found, {"mean": variables.params["net"]["w"].mean(axis=0)}

    contract.check(own(terms=terms), BATCH)
    message = refused(own(terms=terms), compute_dtype="bfloat16")
    assert "Own.terms gave extra['mean'] as bfloat16[3], but init gave float32[3]" in message


def test_a_class_that_is_no_spec_and_a_text_for_a_float_are_named() -> None:
    assert refused(Own()) == "model: Own is not a spec; expected a class decorated by @jaxae.spec"
    assert refused(Own) == f"model: got {Own!r}, expected Model"  # type: ignore[arg-type]

    def check(self: Any) -> None:
        raise TypeError("no\nway")

    assert refused(own(check=check)) == "model: Own.check raised TypeError: no"
    members = {name: value for name, value in vars(Own).items() if not name.startswith("__")}
    annotations = {"beta": float | Literal["auto"]}
    special = {"beta": "auto", "__annotations__": annotations, "__module__": __name__}
    automatic = jaxae.spec(type("Automatic", (), members | special))
    assert refused(automatic()) == "model.beta: got 'auto', expected a number, since it is traced"


def test_models_of_ones_own_need_no_codes() -> None:
    """What is trained needs init, terms and weights only."""
    methods = {name for capability, _ in TRIALS for name in get_protocol_members(capability)}
    bare = own(
        **dict.fromkeys({*methods, "condition"} - get_protocol_members(jaxae.Model)),
        terms=lambda self, variables, batch, key: (
            {"error": batch.x.sum(axis=(1, 2, 3)) * variables.params["judge"], "penalty": jnp.zeros(SIZE)},
            variables.extra,
        ),
    )
    contract.check(bare, BATCH._replace(y=()))


def test_extra_may_hold_keys_and_numbers_of_numpy() -> None:
    def init(self: Any, key: Any, batch: Any) -> Any:
        params, extra = Own.init(self, key, batch)
        return jaxae.Variables(params, {**extra, "key": key, "count": np.float64(1.0)})

    def terms(self: Any, variables: Any, batch: Any, key: Any) -> Any:
        found, extra = Own.terms(self, variables, batch, key)
        return found, variables.extra | extra

    contract.check(own(init=init, terms=terms), BATCH)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["VAE", "VQVAE", "Stacked", "TwoLayerVAE", "FactorVAE"])
def test_members_pass_every_trial(name: str, dtype: str) -> None:
    assert_passes(name, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", list(small.MEMBERS))
def test_every_member_passes_every_trial(name: str, dtype: str) -> None:
    assert_passes(name, dtype)


def assert_passes(name: str, dtype: str) -> None:
    contract.check(small.member(name), BATCH, dtype)
