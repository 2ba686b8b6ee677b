"""The maximum mean discrepancy, by loops and on average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxae import keys
from jaxae.maths.divergences import Kernel, mmd


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_it_is_the_sum_over_pairs(kernel: Kernel) -> None:
    random = np.random.RandomState(0)
    x, y = random.randn(5, 3), random.randn(4, 3) + 0.5

    def k(a: np.ndarray, b: np.ndarray) -> float:
        distance = ((a - b) ** 2).sum()
        return float(np.exp(-distance / 6) if kernel == "rbf" else 6 / (6 + distance))

    within_x = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    within_y = np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    across = np.mean([k(a, b) for a in x for b in y])
    found = mmd(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), kernel)
    assert float(found) == pytest.approx(within_x + within_y - 2 * across, abs=1e-6)


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_it_is_0_on_average_for_one_distribution_and_above_for_two(kernel: Kernel) -> None:
    def found(key: jax.Array, shift: float) -> jax.Array:
        x_key, y_key = jax.random.split(key)
        return mmd(jax.random.normal(x_key, (20, 2)) + shift, jax.random.normal(y_key, (20, 2)), kernel)

    def all_of(shift: float) -> np.ndarray:
        return np.asarray(jax.vmap(lambda key: found(key, shift))(jax.random.split(keys.root(1), 3000)))

    same, other = all_of(0.0), all_of(1.0)
    assert abs(same.mean()) < 5 * same.std() / 3000**0.5
    assert other.mean() > 0.05


def test_the_discrepancy_of_one_row_is_refused() -> None:
    """It has no pairs to take a mean of; -2 k(x, y) alone would be below any discrepancy."""
    for x, y in (((1, 2), (5, 2)), ((5, 2), (1, 2))):
        with pytest.raises(ValueError, match="expected at least 2 each"):
            mmd(jnp.zeros(x), jnp.zeros(y), "rbf")
