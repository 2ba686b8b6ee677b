"""Likelihoods and the levels of the data; terms that compare rows and the number of rows in a batch."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxae
from jaxae.data import DataSpec, from_arrays, load
from jaxae.protocols.parts import Likelihood
from jaxae.runs.experiment import fill, resolve
from jaxae.specs.pytree import replace
from tests import small
from tests.data.files import bytes_of, complaint

SPLITS = {"num_validation": 20, "num_test": 20}
RANDOM = np.random.RandomState(0)
BYTES = bytes_of((90, 4, 4))
SEVENTEEN = RANDOM.randint(0, 17, (90, 4, 4)) / 16
REALS = RANDOM.rand(90, 4, 4)
HOLDERS = {
    "VAE": "likelihood",
    "AE": "reconstruction",
    "VQVAE": "reconstruction",
    "TwoLayerVAE": "likelihood",
}


def of(likelihood: Any, member: str = "VAE", field: str = "likelihood") -> Any:
    return replace(replace(small.member(member), "data_shape", ()), field, likelihood)


def filled(autoencoder: Any, x: Any, data: DataSpec | None = None, **changes: Any) -> Any:
    asked = small.experiment(autoencoder, data=data or DataSpec(**SPLITS), **changes)  # type: ignore[arg-type]
    return fill(asked, from_arrays(x, small.labels(len(x)), asked.data))


def mass(likelihood: Any, values: np.ndarray) -> float:
    """The sum of P(value | z) over the values of one pixel: logits 0, or a logistic well within [0, 1]."""
    is_logistic = isinstance(likelihood, jaxae.DiscretisedLogistic)
    outputs = jnp.asarray([0.5, -3.5] if is_logistic else [0.0] * likelihood.num_levels)
    parameters = likelihood.parameters(outputs.reshape(1, 1, 1, -1))
    x = jnp.asarray(values, jnp.float32).reshape(-1, 1, 1, 1)
    return float(jnp.exp(likelihood.log_prob(parameters, x, 3)).sum())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cls", [jaxae.DiscretisedLogistic, jaxae.Categorical])
def test_the_masses_of_the_levels_of_digits_sum_to_one_or_the_run_is_refused(cls: Any, stream: bool) -> None:
    """The oracle is the sum over the 17 values that digits have; with 256 levels it is far from 1."""
    data = DataSpec(stream=stream)
    digits = load(data)
    np.testing.assert_array_equal(digits.values, np.arange(17) / 16)
    assert mass(cls(), digits.values) < 0.2
    np.testing.assert_allclose(mass(cls(num_levels=17), digits.values), 1, rtol=1e-5)
    experiment = jaxae.Experiment(data=data, model=jaxae.VAE(likelihood=cls()))
    assert complaint(resolve, experiment, digits) == (
        f"model.likelihood: {cls.__name__} has 256 levels k / 255, but the data hold 0.0625: all of"
        " their 17 values are among 17 levels k / 16; set model.likelihood.num_levels to 17"
    )
    fill(replace(experiment, "model.likelihood.num_levels", 17), digits)


@pytest.mark.parametrize(
    ("num_levels", "x"),
    [
        (256, BYTES),
        (256, BYTES / 255),
        (256, (BYTES / 255).astype(np.float32)),
        (256, BYTES > 99),
        (17, SEVENTEEN),
        (17, SEVENTEEN.astype(np.float16)),
        (33, SEVENTEEN),
        (257, BYTES / 256),
        (65_536, RANDOM.randint(0, 65_536, (90, 4, 4)) / 65_535),
    ],
)
def test_data_on_the_levels_are_accepted(num_levels: int, x: np.ndarray) -> None:
    likelihood = jaxae.DiscretisedLogistic(num_levels=num_levels)
    assert filled(of(likelihood), x).model.likelihood == likelihood


@pytest.mark.parametrize(
    ("num_levels", "x", "expected"),
    [
        (256, SEVENTEEN, "set model.likelihood.num_levels to 17"),
        (17, BYTES, "are among 256 levels k / 255; set"),
        (256, BYTES / 256, "are among 257 levels k / 256; set"),
        (3, np.where(BYTES > 99, 0.25, 0.5), "their 2 values are among 5 levels k / 4; set"),
        (256, REALS, "Gaussian, LearnedGaussian and PixelGaussian are likelihoods of continuous data"),
        (256, (BYTES + REALS) / 256, "are continuous; Gaussian"),
        (
            256,
            np.resize(np.random.RandomState(1).rand(99_999), (90, 40, 40)),
            "the data are continuous; Gaussian",
        ),
        (
            256,
            (BYTES / 255).astype(np.float16),
            "a level rounded to float16; give bytes, or floats of 32 bits",
        ),
    ],
)
def test_data_off_the_levels_are_refused(num_levels: int, x: np.ndarray, expected: str) -> None:
    said = complaint(filled, of(jaxae.DiscretisedLogistic(num_levels=num_levels)), x)
    start = f"model.likelihood: DiscretisedLogistic has {num_levels} levels k / {num_levels - 1}, but"
    assert said.startswith(start) and expected in said


@pytest.mark.parametrize("binarize", ["dynamic", "static", "threshold"])
def test_binary_data_are_on_levels_of_any_number(binarize: Any) -> None:
    likelihood = jaxae.Categorical(num_levels=17)
    assert filled(of(likelihood), BYTES, DataSpec(**SPLITS, binarize=binarize)).model.likelihood == likelihood


@pytest.mark.parametrize(("member", "field"), HOLDERS.items())
def test_every_holder_of_a_likelihood_is_checked(member: str, field: str) -> None:
    likelihood = jaxae.DiscretisedLogistic()
    filled(of(likelihood, member, field), BYTES)
    assert f"model.{field}: DiscretisedLogistic" in complaint(filled, of(likelihood, member, field), REALS)


@jaxae.spec
class Thermometer(Likelihood):
    """A likelihood of a user: all levels alike."""

    num_levels: int = 5

    def parameters(self, outputs: Any, learned: Any = ()) -> Any:
        return {"mean": outputs}

    def log_prob(self, parameters: Any, x: Any, event_ndim: int) -> Any:
        return -jnp.log(self.num_levels) * jnp.ones(x.shape).sum(axis=tuple(range(-event_ndim, 0)))


@jaxae.spec
class Mine:
    """An autoencoder of a user, of which only the likelihood is looked at."""

    comparison: Thermometer = Thermometer()

    def init(self, key: Any, batch: Any) -> Any:
        return jaxae.Variables({"w": jnp.ones(())})

    def terms(self, variables: Any, batch: Any, key: Any) -> Any:
        return {"error": batch.x.sum(axis=(1, 2, 3))}, variables.extra

    def weights(self, step: Any) -> Any:
        return {"error": 1.0}


def test_a_likelihood_of_ones_own_is_checked_by_its_num_levels() -> None:
    assert "model.comparison.num_levels to 17" in complaint(filled, Mine(), SEVENTEEN)
    filled(Mine(comparison=Thermometer(num_levels=17)), SEVENTEEN)


def test_a_likelihood_of_ones_own_may_be_of_counts() -> None:
    """Levels 0, ..., L - 1 of what is not said to be in the unit interval."""
    filled(Mine(comparison=Thermometer(num_levels=17)), 16 * SEVENTEEN)
    assert "has 16 levels k / 15, from 0 to 1, but the data span [0, 16]" in complaint(
        filled, Mine(comparison=Thermometer(num_levels=16)), 16 * SEVENTEEN
    )


def stack(*stages: Any) -> Any:
    return jaxae.Stacked(stages=stages, stage_steps=2.0)


def layer(activation: str = "identity", **changes: Any) -> Any:
    return jaxae.AE(latent_dim=3, activation=activation, **small.NETS, **changes)


def test_later_stages_compare_codes_and_not_data() -> None:
    bernoulli, levels = jaxae.Bernoulli(), jaxae.DiscretisedLogistic()
    filled(stack(layer("sigmoid"), layer(reconstruction=bernoulli)), 9 * REALS)
    filled(stack(layer("sigmoid", reconstruction=levels), layer(reconstruction=bernoulli)), BYTES)
    for x in (REALS, 9 * REALS):
        said = complaint(filled, stack(layer(), layer(reconstruction=bernoulli)), x)
        assert said.startswith(
            "model.stages.1.reconstruction: Bernoulli needs codes in [0, 1] from the stage before,"
            " whose activation is identity"
        )
    said = complaint(filled, stack(layer("sigmoid"), layer(reconstruction=levels)), BYTES)
    assert "has 256 levels k / 255, but codes of the stage before are continuous" in said
    said = complaint(filled, stack(layer("sigmoid", reconstruction=levels), layer()), SEVENTEEN)
    assert said.endswith("set model.stages.0.reconstruction.num_levels to 17")


PAIRWISE = {
    "InfoVAE": "mmd",
    "WAE": "mmd",
    "BetaTCVAE": "mutual_information, total_correlation, dimension_kl",
    "FactorVAE": "discriminator",
    "WinnerTakeAllAE": "distortion",
}


@pytest.mark.parametrize(("name", "terms"), PAIRWISE.items())
def test_terms_that_compare_rows_need_two_of_them(name: str, terms: str) -> None:
    autoencoder = replace(small.member(name), "data_shape", ())
    expected = f"{terms} of {name} needs 2 rows or more in a batch"
    assert complaint(filled, autoencoder, BYTES, batch_size=1) == f"batch_size: got 1, but {expected}"
    filled(autoencoder, BYTES, batch_size=2)
    for split in ("validation", "test"):
        data = DataSpec(**{**SPLITS, f"num_{split}": 1})  # type: ignore[arg-type]
        said = complaint(filled, autoencoder, BYTES, data)
        assert (
            said == f"data.num_{split}: the {split} split has 1 row, but {expected}; expected 0, or 2 or more"
        )
        filled(autoencoder, BYTES, DataSpec(**{**SPLITS, f"num_{split}": 0}))  # type: ignore[arg-type]
    if name == "WAE":
        said = complaint(filled, stack(replace(autoencoder, "latent_dim", 3), layer()), BYTES, batch_size=1)
        assert said == f"batch_size: got 1, but {expected}"


@pytest.mark.parametrize(("name", "term"), [("KLSparseAE", "sparsity"), ("VAE with free bits", "free_rate")])
def test_statistics_of_a_batch_of_one_are_warned_of(
    name: str, term: str, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = small.experiment(small.member(name), data=DataSpec(**SPLITS))  # type: ignore[arg-type]
    dataset = from_arrays(small.images(), None, experiment.data)
    resolve(experiment, dataset)
    assert capsys.readouterr().err == ""
    resolve(replace(experiment, "batch_size", 1), dataset)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"jaxae: warning: batch_size is 1: {term} of ")
