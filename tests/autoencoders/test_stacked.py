"""A stack's phases: who learns when, as runs of their own; and the linear case."""

import itertools
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae import keys
from jaxae.runs.experiment import Experiment, resolve
from jaxae.specs.pytree import replace
from jaxae.training import step
from jaxae.types import Batch, Variables
from tests import small

LAYER = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=())}
ROWS = Batch(jnp.asarray(small.images(40)), jnp.asarray(small.labels(40)))


def stack(**changes: Any) -> Any:
    return replace_all(small.member("Stacked"), changes)


def replace_all(node: Any, changes: dict[str, Any]) -> Any:
    for path, value in changes.items():
        node = replace(node, path, value)
    return node


def walk(autoencoder: Any, num_steps: int, optimizer: Any = None) -> list[Any]:
    """The parameters before the first step and after each."""
    experiment = small.experiment(
        autoencoder, optimizer=optimizer or jaxae.AdamW(weight_decay=0.1), data=jaxae.DataSpec()
    )
    state = step.create(experiment, keys.root(0), Batch(ROWS.x / 255.0, ROWS.y))
    params = [jax.device_get(state.variables.params)]
    train = jax.jit(lambda state: step.train_step(experiment, keys.root(1), state, ROWS, jnp.float32(255))[0])
    for _ in range(num_steps):
        state = train(state)
        params.append(jax.device_get(state.variables.params))
    return params


def learners(params: list[Any]) -> list[str]:
    """The groups that each step moved, by their last letters: '0', '1', 'd' for the head."""
    pairs = itertools.pairwise(params)
    return [
        "".join(name[-1] for name in old if not small.same_bits(old[name], new[name])) for old, new in pairs
    ]


@pytest.mark.parametrize("steps, finetune", [("1.7", "0.9"), ("33.3", "1.1"), ("2.0", "3.0"), ("0.0", "0.0")])
def test_phases_end_at_the_decimal_of_their_steps(steps: str, finetune: str) -> None:
    """Traced, against fractions: 3 * 1.7 + 0.9 is 6, and more than that in float32."""
    autoencoder = jaxae.Stacked(
        stages=(jaxae.AE(),) * 3, stage_steps=float(steps), finetune_steps=float(finetune), num_classes=3
    )
    phase = jax.jit(lambda autoencoder, step: jax.vmap(autoencoder._phase)(step))
    found = phase(jax.tree.map(jnp.float32, autoencoder), jnp.arange(120))
    ends = [number * Fraction(steps) for number in (1, 2, 3)]
    ends.append(ends[-1] + Fraction(finetune))
    np.testing.assert_array_equal(found, [sum(step >= end for end in ends) for step in range(120)])


def test_each_phase_moves_its_own_parameters_only_weight_decay_included() -> None:
    assert learners(walk(stack(), 8)) == ["0", "0", "1", "1", "01", "01", "d01", "d01"]
    frozen = learners(walk(stack(freeze=True), 8))
    assert frozen == ["0", "0", "1", "1", "01", "01", "d", "d"]


def test_without_greedy_training_the_supervised_phase_is_the_whole_run() -> None:
    baseline = {"stage_steps": 0.0, "finetune_steps": 0.0}
    assert learners(walk(stack(**baseline), 2)) == ["d01", "d01"]
    assert learners(walk(stack(**baseline, freeze=True), 2)) == ["d", "d"], "the untrained encoder's"


def test_a_phase_is_a_run_of_its_own_with_a_fresh_optimizer() -> None:
    """The second stage's first phase, next to the same stage trained alone on the first one's codes."""
    autoencoder = stack(**{"stages.0.corruption.rate": 0.0})
    params = walk(autoencoder, 4, jaxae.Adam(learning_rate=0.01))
    first, second = autoencoder._stages()
    codes = first.encode(Variables(params[2]["stage_0"]), Batch(ROWS.x / 255.0))
    optimizer = jaxae.Adam(learning_rate=0.01).build()
    alone, state = params[2]["stage_1"], optimizer.init(params[2]["stage_1"])
    for _ in range(2):

        def loss(params: Any) -> jax.Array:
            terms, _ = second.terms(Variables(params), Batch(codes), keys.root(0))  # closed: draws nothing
            return sum(second.weights(0)[name] * term.mean() for name, term in terms.items())

        updates, state = optimizer.update(jax.grad(loss)(alone), state)
        alone = jax.tree.map(jnp.add, alone, updates)
    for mine, theirs in zip(jax.tree.leaves(params[4]["stage_1"]), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_greedy_linear_stages_are_pca() -> None:
    """Tied, each code is the data turned and projected on its leading components: so is the stack's."""
    random = np.random.RandomState(0)
    x = (random.randn(400, 6) * [3, 2, 1.5, 0.6, 0.4, 0.2]) @ np.linalg.qr(random.randn(6, 6))[0]
    x -= x.mean(axis=0)
    sizes = (4, 2)
    experiment = Experiment(
        data=jaxae.DataSpec(num_validation=0, num_test=0),
        model=jaxae.Stacked(
            stages=tuple(jaxae.AE(latent_dim=size, tied=True, **LAYER) for size in sizes), stage_steps=1200.0
        ),
        optimizer=jaxae.Adam(learning_rate=0.01),
        batch_size=400,
        epochs=2400,
        checkpoint_every=2400,
    )
    result = jaxae.fit(experiment, x.astype(np.float32))
    error = ((x - result.reconstruct(x.astype(np.float32))) ** 2).sum(axis=1).mean()
    values = np.sort(np.linalg.svd(x, compute_uv=False))[::-1] ** 2 / len(x)
    assert error == pytest.approx(values[2:].sum(), rel=0.01)


def test_cross_entropy_is_that_of_the_heads_softmax() -> None:
    autoencoder, batch = stack(), Batch(ROWS.x / 255.0, ROWS.y)
    variables = autoencoder.init(keys.root(0), batch)
    logits = np.asarray(autoencoder.logits(variables, batch), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    terms, _ = autoencoder.terms(variables, batch, keys.root(1))
    expected = -log_p[np.arange(40), np.asarray(ROWS.y)]
    np.testing.assert_allclose(terms["cross_entropy"], expected, rtol=1e-5)


def test_labels_that_the_head_does_not_know_are_refused() -> None:
    experiment = small.experiment(replace(stack(num_classes=2), "data_shape", ()))
    with pytest.raises(jaxae.JaxaeError, match="labels are 0 to 2; expected 3"):
        resolve(experiment, small.dataset(experiment))
