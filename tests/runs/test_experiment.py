"""What is checked at the edge, before anything is compiled."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae.data import from_arrays
from jaxae.runs.experiment import as_arrays, example_batch, num_steps, resolve
from jaxae.specs.pytree import replace
from tests import small


def resolved(experiment: Any, x: Any = None) -> Any:
    return resolve(experiment, from_arrays(small.images() if x is None else x, None, experiment.data))


def test_the_data_fills_in_the_shape() -> None:
    vae = replace(small.member("VAE"), "data_shape", ())
    assert resolved(small.experiment(vae)).model.data_shape == (4, 4, 1)


def test_a_shape_that_is_not_the_datas_is_refused() -> None:
    vae = replace(small.member("VAE"), "data_shape", (28, 28, 1))
    with pytest.raises(jaxae.JaxaeError, match=r"model.data_shape: got \(28, 28, 1\), .* \(4, 4, 1\)"):
        resolved(small.experiment(vae))


def test_a_size_beyond_all_numbers_is_refused() -> None:
    with pytest.raises(jaxae.JaxaeError, match=r"VAE\.\w+ raised OverflowError for examples"):
        resolved(small.experiment(replace(small.member("VAE"), "latent_dim", 10**23)))


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(jaxae.JaxaeError, match="batch_size: got 51, but there are only 50 training rows"):
        resolved(small.experiment(batch_size=51))


@pytest.mark.parametrize("low, high", [(-0.5, 1.0), (0.0, 1.5)])
@pytest.mark.parametrize("name", ["VAE", "AE with Bernoulli"])
def test_bernoulli_refuses_data_outside_the_unit_interval(name: str, low: float, high: float) -> None:
    x = np.linspace(low, high, 90 * 16).reshape(90, 4, 4, 1)
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    with pytest.raises(jaxae.JaxaeError, match=r"Bernoulli needs data in \[0, 1\], but it spans"):
        resolved(small.experiment(small.member(name), data=data), x)
    resolved(small.experiment(small.member("AE"), data=data), x)


@jaxae.spec
class Odd:
    """An autoencoder with a fault to order."""

    fault: str = ""

    def init(self, key: Any, batch: Any) -> Any:
        return jaxae.Variables({"w": jnp.ones(())})

    def terms(self, variables: Any, batch: Any, key: Any) -> Any:
        error = ((batch.x - variables.params["w"]) ** 2).sum(axis=(1, 2, 3))
        if self.fault == "averaged":
            error = error.mean()
        if self.fault == "shape":
            error = error @ jnp.ones((3, 3))
        return {"error": error}, variables.extra

    def weights(self, step: Any) -> Any:
        return {"error": 1.0, **({"penalty": 2.0} if self.fault == "weights" else {})}

    def encode(self, variables: Any, batch: Any) -> Any:
        return batch.x.reshape(len(batch.x), -1)

    def decode(self, variables: Any, z: Any, y: Any = ()) -> Any:
        return {"mean": z.reshape(-1, 4, 4, 1)}

    def image(self, parameters: Any) -> Any:
        return parameters["mean"]


@pytest.mark.parametrize(
    "fault, message",
    [
        ("averaged", r"term 'error' of Odd.terms has shape \(\) for a batch of 10, expected \(10,\)"),
        ("weights", r"terms \['error'\] and weights \['error', 'penalty'\] of Odd differ"),
        ("shape", r"Odd.terms raised TypeError for examples of shape \(4, 4, 1\): "),
    ],
)
def test_a_broken_contract_is_named(fault: str, message: str) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message) as error:
        resolved(small.experiment(Odd(fault=fault)))
    assert "\n" not in str(error.value)


def test_an_autoencoder_of_ones_own_needs_no_data_shape() -> None:
    assert resolved(small.experiment(Odd())).model == Odd()


def test_leaves_become_float32_arrays() -> None:
    leaves = jax.tree.leaves(as_arrays(small.experiment()))
    assert all(leaf.dtype == jnp.float32 and not leaf.weak_type for leaf in leaves)


def test_an_example_batch_has_the_labels_shape_where_there_are_labels() -> None:
    data = jaxae.DataSpec(num_validation=20, num_test=20)
    labelled = from_arrays(small.images(), np.arange(90) % 3, data)
    assert example_batch(labelled, 5).y.shape == (5,) and example_batch(labelled, 5).x.shape == (5, 4, 4, 1)
    assert example_batch(from_arrays(small.images(), None, data)).y == ()


def test_an_epoch_leaves_out_what_fills_no_batch() -> None:
    assert num_steps(small.experiment(batch_size=12), 50) == 4
