"""The short form of a spec: it shows what differs, and makes the same spec again."""

import jax
import jax.numpy as jnp
import pytest

import jaxae
from jaxae.runs import config
from jaxae.runs.experiment import as_arrays
from jaxae.specs.short_repr import WIDTH, short_repr
from tests import small

NAMES = vars(jaxae.schedules) | vars(jaxae.distributions) | {n: getattr(jaxae, n) for n in jaxae.__all__}


@pytest.mark.parametrize("name", small.MEMBERS)
def test_the_short_form_makes_the_same_experiment(name: str) -> None:
    experiment = small.experiment(small.member(name))
    text = repr(experiment)
    assert eval(text, dict(NAMES)) == experiment
    assert max(map(len, text.splitlines())) <= WIDTH and len(text) < 1500


@pytest.mark.parametrize("name", ["vae_digits", "vae_mnist"])
def test_a_config_fits_on_a_screen(name: str) -> None:
    experiment = config.load_config(name)
    assert repr(experiment).count("\n") < 20 and eval(repr(experiment), dict(NAMES)) == experiment


def test_only_what_differs_is_shown() -> None:
    assert short_repr(jaxae.Adam()) == "Adam()"
    assert short_repr(jaxae.Adam(learning_rate=0.1)) == "Adam(learning_rate=0.1)"
    assert repr(jaxae.Experiment()) == (
        "Experiment(data=DataSpec(), model=VAE(), optimizer=Adam(), batch_size=100, epochs=50)"
    )


def test_a_resolved_experiment_has_its_numbers_and_no_arrays() -> None:
    experiment = as_arrays(jaxae.Experiment(model=jaxae.VAE(beta=0.25)))
    assert "model=VAE(beta=0.25)" in repr(experiment) and "Array" not in repr(experiment)


def test_inside_a_compiled_function_it_does_not_fail() -> None:
    @jax.jit
    def traced(experiment: jaxae.Experiment) -> jax.Array:
        assert "Experiment(" in repr(experiment)
        return jnp.zeros(())

    traced(jaxae.Experiment())


def test_html_is_escaped() -> None:
    data = jaxae.DataSpec(name="<b>.npz")
    assert "&lt;b&gt;.npz" in jaxae.Experiment(data=data)._repr_html_()  # type: ignore[attr-defined]
