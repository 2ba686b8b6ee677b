"""Codebooks against scikit-learn's k-means, averages by hand, gradients in closed form; FSQ by levels."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import KMeans

import jaxae
from jaxae import keys
from jaxae.errors import JaxaeError
from jaxae.maths import quantisation
from jaxae.specs.records import validate
from jaxae.types import Variables

RANDOM = np.random.RandomState(0)
VECTORS = jnp.asarray(RANDOM.randn(40, 3, 2), jnp.float32)  # f32[B, P, D]
P = 3


def begun(codes: Any, counts: Any) -> dict[str, jax.Array]:
    """A table on its way: codes [K, D] that `counts` [K] vectors chose."""
    codes, counts = jnp.asarray(codes, jnp.float32), jnp.asarray(counts, jnp.float32)
    return {"codes": codes, "sums": counts[:, None] * codes, "counts": counts}


def test_without_memory_it_is_k_means() -> None:
    """Decay 0 from the same start: scikit-learn's centres and labels in as many iterations of Lloyd."""
    data = np.concatenate([RANDOM.randn(60, 2) + 2 * RANDOM.randn(1, 2) for _ in range(5)]).astype(np.float32)
    start = data[::60].copy()
    reference = KMeans(5, init=start, n_init=1, algorithm="lloyd", tol=0, max_iter=100).fit(data)
    codebook = jaxae.EMACodebook(num_codes=5, decay=0.0, smoothing=0.0, revive_below=0.0)
    extra, tokens, iterations = begun(start, np.ones(5)), None, 0
    moved = jax.jit(codebook.moved)
    while True:
        found = codebook.tokens(Variables({}, extra), jnp.asarray(data)[None])[0]
        iterations += 1
        if tokens is not None and np.array_equal(found, tokens):
            break
        tokens = found
        extra = moved(extra, jnp.asarray(data), tokens, keys.root(iterations))
    np.testing.assert_allclose(extra["codes"], reference.cluster_centers_, atol=1e-5)
    np.testing.assert_array_equal(tokens, reference.labels_)
    assert iterations == reference.n_iter_ > 3


def test_a_code_that_no_vector_chose_stays_where_it_is() -> None:
    codebook = jaxae.EMACodebook(num_codes=2, decay=0.0, smoothing=0.0, revive_below=0.0)
    moved = codebook.moved(
        begun([[1.0], [5.0]], [1, 1]), jnp.asarray([[2.0]]), jnp.zeros(1, jnp.int32), keys.root(0)
    )
    np.testing.assert_array_equal(moved["codes"], [[2.0], [5.0]])


def test_the_averages_of_two_steps_are_those_by_hand() -> None:
    """Decay 3/4: counts 4, 4 and sums 4, 40; then 1 and 3 at code 0, 12 at code 1; then nothing and 8."""
    codebook = jaxae.EMACodebook(num_codes=2, decay=0.75, smoothing=0.0, revive_below=0.0)
    extra = begun([[1.0], [10.0]], [4, 4])
    extra = codebook.moved(extra, jnp.asarray([[1.0], [3.0], [12.0]]), jnp.asarray([0, 0, 1]), keys.root(0))
    np.testing.assert_allclose(extra["counts"], [3.5, 3.25])
    np.testing.assert_allclose(extra["sums"], [[4.0], [33.0]])
    np.testing.assert_allclose(extra["codes"], [[4 / 3.5], [33 / 3.25]], rtol=1e-6)
    extra = codebook.moved(extra, jnp.asarray([[8.0]]), jnp.asarray([1]), keys.root(1))
    np.testing.assert_allclose(extra["codes"], [[4 / 3.5], [26.75 / 2.6875]], rtol=1e-6)


def test_smoothing_is_laplaces() -> None:
    """Counts 6 and 2 with s = 1 become (7, 3) 8 / 10 = (5.6, 2.4): the same sum, nearer to each other."""
    codebook = jaxae.EMACodebook(num_codes=2, decay=0.0, smoothing=1.0, revive_below=0.0)
    vectors, tokens = jnp.asarray([[1.0]] * 6 + [[5.0]] * 2), jnp.asarray([0] * 6 + [1] * 2)
    moved = codebook.moved(begun([[0.0], [0.0]], [1, 1]), vectors, tokens, keys.root(0))
    np.testing.assert_allclose(moved["codes"], [[6 / 5.6], [10 / 2.4]], rtol=1e-6)
    np.testing.assert_array_equal(moved["counts"], [6, 2])


@pytest.mark.parametrize("num_codes", [7, 120, 200])
def test_the_first_step_makes_codes_of_the_batch(num_codes: int) -> None:
    """Of 120 vectors: different ones where they suffice, else every one, some of them again."""
    codebook = jaxae.EMACodebook(num_codes=num_codes, revive_below=0.0)
    fresh = codebook.init(keys.root(0), 2)
    extra = codebook.quantise(fresh, VECTORS, keys.root(1)).extra
    rows = {tuple(row) for row in np.asarray(VECTORS.reshape(-1, 2)).tolist()}
    codes = {tuple(row) for row in np.asarray(extra["codes"]).tolist()}
    assert codes <= rows and len(codes) == min(num_codes, 120)
    np.testing.assert_allclose(extra["counts"], 120 / num_codes, rtol=1e-6)
    np.testing.assert_allclose(extra["sums"], extra["counts"][:, None] * extra["codes"], rtol=1e-6)
    other = codebook.quantise(fresh, VECTORS, keys.root(2)).extra["codes"]
    assert not np.array_equal(other, extra["codes"]), "another key, other vectors"


@pytest.mark.parametrize("revive_below", [0.0, 0.1, 0.5])
def test_exactly_the_codes_below_the_share_of_the_mean_use_are_revived(revive_below: float) -> None:
    """Nothing is far from code 0, so that counts after the step are half of those before, 60 more at 0."""
    counts = np.array([140.0, 120, 60, 20, 8, 2])
    before = begun([[0.0, 0.0], *[[50.0 + k, 50] for k in range(5)]], counts)
    codebook = jaxae.EMACodebook(num_codes=6, decay=0.5, smoothing=0.0, revive_below=revive_below)
    found = codebook.quantise(Variables({}, before), VECTORS, keys.root(0)).extra
    after = counts / 2 + np.array([60.0, 0, 0, 0, 0, 0])
    mean_use = after.mean()  # 39.17: below a tenth are the last one's 1, below half the 10, 4 and 1
    dead = after < revive_below * mean_use
    assert dead.sum() == {0.0: 0, 0.1: 1, 0.5: 3}[revive_below]
    rows = np.asarray(VECTORS.reshape(-1, 2))
    is_row = (np.asarray(found["codes"])[:, None] == rows[None]).all(axis=2).any(axis=1)
    np.testing.assert_array_equal(is_row, dead)
    np.testing.assert_allclose(found["counts"], np.where(dead, mean_use, after), rtol=1e-6)
    np.testing.assert_allclose(found["codes"][1:][~dead[1:]], before["codes"][1:][~dead[1:]], rtol=1e-6)
    np.testing.assert_allclose(found["sums"], found["counts"][:, None] * found["codes"], rtol=1e-4, atol=1e-3)


def test_a_code_whose_use_is_the_share_of_the_mean_is_not_revived() -> None:
    """k of a mean use of 100 at revive_below k / 100, exact in decimals, which float32 multiplies to more."""
    for share in range(1, 100):
        codebook = jaxae.EMACodebook(num_codes=2, decay=0.0, smoothing=0.0, revive_below=share / 100)
        tokens = jnp.asarray([0] * share + [1] * (200 - share))
        vectors = jnp.where(tokens == 0, 1.0, 9.0)[:, None]
        moved = MOVED(codebook, begun([[0.0], [5.0]], [1, 1]), vectors, tokens, keys.root(0))
        np.testing.assert_array_equal(moved["counts"], [share, 200 - share])


MOVED = jax.jit(lambda codebook, *arguments: codebook.moved(*arguments))


def test_the_gradients_are_the_papers() -> None:
    """With D's gradient g in the codes: of v, g + 2 c (v - e) / P; of each e, 2 sum (e - v) / P, no g."""
    codebook = jaxae.GradientCodebook(num_codes=5, commitment=0.3)
    random = np.random.RandomState(1)
    params = {"codebook": jnp.asarray(random.randn(5, 2), jnp.float32)}
    g = jnp.asarray(random.randn(40, 3, 2), jnp.float32)
    to_params, to_vectors = jax.jit(jax.grad(functional(codebook, g), (0, 2)))(params, (), VECTORS)
    v, codes = np.asarray(VECTORS, np.float64), np.asarray(params["codebook"], np.float64)
    tokens = ((v[:, :, None] - codes) ** 2).sum(axis=-1).argmin(axis=-1)
    np.testing.assert_allclose(to_vectors, g + 0.6 * (v - codes[tokens]) / P, atol=1e-6)
    expected = np.zeros((5, 2))
    np.add.at(expected, tokens, 2 * (codes[tokens] - v) / P)
    np.testing.assert_allclose(to_params["codebook"], expected, atol=2e-5)
    assert len(np.unique(tokens)) > 2


def functional(codebook: Any, g: jax.Array) -> Any:
    """sum g values + the weighted terms, of parameters, what is carried, and vectors."""

    def total(params: Any, extra: Any, vectors: jax.Array) -> jax.Array:
        found = codebook.quantise(Variables(params, extra), vectors, keys.root(0))
        weights = codebook.weights(jnp.zeros((), jnp.int32))
        terms = jnp.stack([weights[name] * term for name, term in found.terms.items()])
        return (g * found.values).sum() + terms.sum()

    return total


def test_a_moving_table_has_no_gradient() -> None:
    codebook = jaxae.EMACodebook(num_codes=4, commitment=0.3)
    extra, g = begun(RANDOM.randn(4, 2), np.ones(4)), jnp.ones((40, 3, 2))
    to_extra, to_vectors = jax.jit(jax.grad(functional(codebook, g), (1, 2)))({}, extra, VECTORS)
    assert all(float(jnp.abs(leaf).max()) == 0 for leaf in jax.tree.leaves(to_extra))
    codes = codebook.embed(Variables({}, extra), codebook.tokens(Variables({}, extra), VECTORS))
    np.testing.assert_allclose(to_vectors, 1 + 0.6 * (VECTORS - codes) / P, atol=1e-6)


@pytest.mark.parametrize("kind", [jaxae.GradientCodebook, jaxae.EMACodebook])
def test_normalised_the_nearest_code_is_that_of_the_largest_cosine(kind: Any) -> None:
    codebook = kind(num_codes=6, normalise=True)
    variables = codebook.init(keys.root(0), 2)
    codes = np.asarray(codebook.codes(variables), np.float64)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-5)
    cosines = np.einsum("bpd,kd->bpk", VECTORS, codes)
    np.testing.assert_array_equal(codebook.tokens(variables, VECTORS), cosines.argmax(axis=-1))
    found = codebook.quantise(variables, VECTORS, keys.root(1))
    lengths = np.linalg.norm(np.asarray(VECTORS), axis=-1)
    expected = (2 - 2 * cosines.max(axis=-1) / lengths).mean(axis=1)  # |v/|v| - e|^2
    np.testing.assert_allclose(found.terms["commitment"], expected, rtol=1e-4)
    if kind is jaxae.EMACodebook:
        moved = codebook.moved(
            found.extra,
            quantisation.unit_length(VECTORS.reshape(-1, 2)),
            found.tokens.reshape(-1),
            keys.root(2),
        )
        np.testing.assert_allclose(np.linalg.norm(moved["codes"], axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("estimator", ["straight_through", "rotation"])
def test_the_decoder_is_trained_on_what_tokens_decode_to(estimator: Any) -> None:
    codebook = jaxae.GradientCodebook(num_codes=5, estimator=estimator)
    variables = codebook.init(keys.root(0), 2)
    found = codebook.quantise(variables, VECTORS, keys.root(1))
    np.testing.assert_array_equal(found.values, codebook.embed(variables, found.tokens))
    np.testing.assert_array_equal(found.tokens, codebook.tokens(variables, VECTORS))


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 8])
def test_a_unit_has_so_many_values_at_equal_steps(levels: int) -> None:
    fsq = jaxae.FSQ(levels=(levels,))
    vectors = jnp.linspace(-12, 12, 2001).reshape(-1, 1, 1)
    found = fsq.quantise(Variables({}), vectors, keys.root(0))
    expected = (np.arange(levels) - levels // 2) / (levels // 2)
    np.testing.assert_array_equal(np.unique(found.values), expected.astype(np.float32))
    np.testing.assert_array_equal(np.unique(found.tokens), np.arange(levels))
    assert (np.diff(np.asarray(found.values).reshape(-1)) >= 0).all()
    if levels % 2:
        mirrored = fsq.quantise(Variables({}), -vectors, keys.root(0)).values
        np.testing.assert_array_equal(mirrored, -found.values)


def test_tokens_and_the_grid_of_levels_are_one_to_one() -> None:
    """All K = 8 * 5 * 2 * 3 tokens are reached, each has codes of its own, and these are what is decoded."""
    fsq = jaxae.FSQ(levels=(8, 5, 2, 3))
    centres = [jnp.linspace(-12, 12, 301).reshape(-1, 1, 1)] * 4
    by_unit = []
    for levels, line in zip(fsq.levels, centres, strict=True):
        digits = np.asarray(jaxae.FSQ(levels=(levels,)).tokens(Variables({}), line)).reshape(-1)
        by_unit.append([float(line[np.flatnonzero(digits == digit)[0], 0, 0]) for digit in range(levels)])
    vectors = jnp.asarray(list(itertools.product(*by_unit)), jnp.float32)[:, None]
    found = fsq.quantise(Variables({}), vectors, keys.root(0))
    np.testing.assert_array_equal(np.sort(np.asarray(found.tokens).reshape(-1)), np.arange(240))
    np.testing.assert_array_equal(fsq.embed(Variables({}), found.tokens), found.values)
    assert fsq.num_codes == 240 == len(np.unique(np.asarray(found.values).reshape(240, 4), axis=0))


def test_the_first_units_level_runs_fastest() -> None:
    """Levels 3 and 5: token 7 is 1 + 3 * 2, the middle of both; token 3 is 0 + 3 * 1."""
    found = jaxae.FSQ(levels=(3, 5)).embed(Variables({}), jnp.asarray([[7, 3]]))
    np.testing.assert_array_equal(found, [[[0, 0], [-1, -0.5]]])


def test_the_gradient_is_that_of_the_squashing() -> None:
    """d/dv reach tanh(v + shift) / half, whatever it is rounded to."""
    levels = np.array([8, 5, 4])
    vectors = RANDOM.randn(20, 1, 3)
    fsq = jaxae.FSQ(levels=(8, 5, 4))
    gradient = jax.jit(jax.grad(lambda v: fsq.quantise(Variables({}), v, keys.root(0)).values.sum()))
    found = gradient(jnp.asarray(vectors, jnp.float32))
    reach, half = (levels - 1) * 1.001 / 2, levels // 2
    shift = np.arctanh(np.where(levels % 2 == 0, 0.5, 0.0) / reach)
    np.testing.assert_allclose(found, reach / half / np.cosh(vectors + shift) ** 2, rtol=1e-4, atol=1e-6)


def test_two_levels_part_at_0_where_the_gradient_is_largest() -> None:
    fsq = jaxae.FSQ(levels=(2,))
    vectors = jnp.asarray([-5.0, -0.1, -1e-6, 1e-6, 0.1, 5.0]).reshape(-1, 1, 1)
    assert fsq.tokens(Variables({}), vectors).reshape(-1).tolist() == [0, 0, 0, 1, 1, 1]
    slope = jax.grad(lambda v: fsq.quantise(Variables({}), v, keys.root(0)).values.sum())
    np.testing.assert_allclose(slope(jnp.zeros((1, 1, 1))), 0.5005, rtol=1e-6)


@pytest.mark.optimised
def test_other_levels_keep_the_bits_of_earlier_versions() -> None:
    """As runs made with 0.1.0 were quantised: the same operations, written out."""
    fsq = jaxae.FSQ(levels=(8, 5, 4, 3))

    def before(vectors: jax.Array) -> jax.Array:
        levels = jnp.asarray(fsq.levels, jnp.float32)[None, None]
        reach = (levels - 1.0) * (1.0 + 1e-3) / 2.0
        offset = jnp.where(levels % 2 == 0, 0.5, 0.0)
        return jnp.tanh(vectors + jnp.arctanh(offset / reach)) * reach - offset

    vectors = jnp.asarray(RANDOM.randn(500, 1, 4), jnp.float32)
    np.testing.assert_array_equal(jax.jit(fsq._bound)(vectors), jax.jit(before)(vectors))


@pytest.mark.parametrize("levels", range(2, 9))
def test_training_uses_most_levels(levels: int) -> None:
    """One unit learns a uniform number by gradients, from a start in which all vectors are near 0."""
    fsq, x = jaxae.FSQ(levels=(levels,)), jnp.linspace(-1.0, 1.0, 64).reshape(-1, 1, 1)

    def decoded(params: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = fsq.quantise(Variables({}), params[0] * x + params[1], keys.root(0))
        return params[2] * found.values + params[3], found.tokens

    def step(params: jax.Array, _: None) -> tuple[jax.Array, None]:
        return params - 0.1 * jax.grad(lambda params: ((decoded(params)[0] - x) ** 2).mean())(params), None

    learned = jax.jit(lambda start: jax.lax.scan(step, start, length=2000)[0])(
        jnp.asarray([0.1, 0.0, 1.0, 0.0])
    )
    found, tokens = decoded(learned)
    num_used = len(np.unique(tokens))
    assert num_used >= 0.7 * levels
    assert ((found - x) ** 2).mean() < 1.5 / (3 * num_used**2)  # the best quantiser of so many levels has 1


@pytest.mark.slow
def test_a_binary_code_of_four_units_uses_most_of_its_codes() -> None:
    """Four independent pixels and 16 codes."""
    model = jaxae.VQVAE(
        grid=(1,),
        code_dim=4,
        quantiser=jaxae.FSQ(levels=(2,) * 4),
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=(16,)),
    )
    x = np.random.RandomState(0).randint(0, 256, (400, 4, 1, 1)).astype(np.uint8)
    data = jaxae.DataSpec(num_validation=100, num_test=0)
    experiment = jaxae.Experiment(
        data=data, model=model, batch_size=20, epochs=15, optimizer=jaxae.Adam(learning_rate=0.03)
    )
    result = jaxae.fit(experiment, x)
    assert result.scores["validation"]["codebook_usage"] > 0.75


def test_levels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(JaxaeError, match="levels: is empty"):
        validate(jaxae.FSQ(levels=()))
    with pytest.raises(JaxaeError, match=r"code_dim: got 16, expected 3, that of FSQ\(levels=\(8, 5, 5\)\)"):
        validate(jaxae.VQVAE(quantiser=jaxae.FSQ()))
    with pytest.raises(JaxaeError, match="grid: is empty"):
        validate(jaxae.VQVAE(grid=()))
