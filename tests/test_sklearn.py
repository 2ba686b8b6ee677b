"""The estimator follows scikit-learn's rules and gives the numbers of `jaxae.fit`."""

import dataclasses
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import jaxae
from jaxae.estimators.scores import columns_of_draws
from jaxae.sklearn import AutoencoderTransformer
from tests import small

MODEL = jaxae.AE(latent_dim=2, **small.NETS)
X = (small.images(60).reshape(60, 16) / 255).astype(np.float32)
Y = (X[:, 0] > np.median(X[:, 0])).astype(int)


def small_estimator(model: Any = MODEL, **changes: Any) -> AutoencoderTransformer:
    return AutoencoderTransformer(model, **{"epochs": 2, "batch_size": 10, **changes})


@pytest.fixture(scope="module")
def fitted() -> AutoencoderTransformer:
    return small_estimator().fit(X)


FAILING = {
    "check_estimators_overwrite_params": "joblib.hash of a linen module depends on its FlaxId, which a copy "
    "does not share",
}


# scikit-learn 1.9.0 makes a mark with a generator, which pytest 9 warns of.
CHECKS = parametrize_with_checks([small_estimator(epochs=1)], expected_failed_checks=lambda _: FAILING).mark


@pytest.mark.slow
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
@pytest.mark.filterwarnings("ignore:.*occurred during set_params:UserWarning")
@pytest.mark.filterwarnings("ignore:Can't check:UserWarning")
def test_scikit_learn_checks(estimator: AutoencoderTransformer, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimators_unfitted",
        "check_estimator_repr",
    ],
)
def test_a_few_scikit_learn_checks(name: str) -> None:
    getattr(estimator_checks, name)("AutoencoderTransformer", small_estimator(epochs=1))


def test_numbers_are_those_of_fit(fitted: AutoencoderTransformer) -> None:
    data = jaxae.DataSpec(num_validation=0, num_test=0)
    result = jaxae.fit(jaxae.Experiment(data=data, model=MODEL, epochs=2, batch_size=10), X, seed=0)
    assert small.same_bits(fitted.result_.variables, result.variables)
    np.testing.assert_array_equal(fitted.transform(X), result.encode(X))
    np.testing.assert_array_equal(fitted.inverse_transform(fitted.transform(X)), result.reconstruct(X))
    error = ((X - result.reconstruct(X)) ** 2).sum(axis=1)
    np.testing.assert_allclose(fitted.score_samples(X), -error, rtol=1e-6)
    assert fitted.score(X) == pytest.approx(-error.mean(), rel=1e-6)


@pytest.mark.slow
def test_scores_of_a_variational_model_are_elbos() -> None:
    estimator = small_estimator(jaxae.VAE(latent_dim=2, **small.NETS), epochs=1).fit(X)
    rows = jaxae.Examples(X, (), np.float32(1.0))
    values, _ = columns_of_draws(estimator._model, estimator.result_.variables, rows)
    np.testing.assert_allclose(
        estimator.score_samples(X), -(values["distortion"] + values["rate"]), rtol=1e-5
    )


@pytest.mark.slow
def test_pipelines_searches_and_names(fitted: AutoencoderTransformer) -> None:
    assert list(fitted.get_feature_names_out()) == ["autoencodertransformer0", "autoencodertransformer1"]
    pipeline = make_pipeline(
        MinMaxScaler(), small_estimator().set_output(transform="pandas"), LogisticRegression()
    )
    search = GridSearchCV(pipeline, {"autoencodertransformer__model__latent_dim": np.array([1, 2])}, cv=2)
    search.fit(X, Y)
    best = search.best_estimator_[1]
    assert best.model.latent_dim == search.best_params_["autoencodertransformer__model__latent_dim"]
    frame = search.best_estimator_[:-1].transform(X)
    assert list(frame.columns) == list(best.get_feature_names_out()) and search.best_score_ > 0.5


@pytest.mark.slow
def test_cross_validation_in_processes() -> None:
    scores = cross_val_score(small_estimator(), X, cv=2, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(small_estimator(), X, cv=2))


def test_a_saved_estimator_has_the_same_codes_and_no_rows(
    fitted: AutoencoderTransformer, tmp_path: Path
) -> None:
    joblib.dump(fitted, tmp_path / "estimator.joblib")
    again = joblib.load(tmp_path / "estimator.joblib")
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    with pytest.raises(jaxae.JaxaeError, match="^result_: an estimator does not keep the rows of fit"):
        again.result_.train  # noqa: B018


def test_rows_outside_of_the_span_are_no_warning(
    fitted: AutoencoderTransformer, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the folds of a cross-validation they are usual."""
    np.testing.assert_array_equal(fitted.transform(5 * X), fitted.result_.encode(5 * X))
    assert capsys.readouterr().err.count("warning") == 1  # by `encode` of the result
    fitted.score(5 * X)
    assert capsys.readouterr().err == ""


def test_nested_parameters_reach_the_specs() -> None:
    estimator = AutoencoderTransformer().set_params(
        model__encoder__widths=(8,), optimizer__learning_rate=np.float64(0.1), epochs=3
    )
    assert estimator.model == dataclasses.replace(jaxae.AE(), encoder=jaxae.MLP(widths=(8,)))
    assert type(estimator.optimizer.learning_rate) is float and estimator.epochs == 3
    assert clone(estimator).get_params() == estimator.get_params()
    with pytest.raises(
        ValueError, match="^model__latent_dims: no such parameter; did you mean 'model__latent"
    ):
        estimator.set_params(model__latent_dims=3)


@pytest.mark.slow
def test_images_keep_their_shape_inside() -> None:
    model = jaxae.AE(latent_dim=2, **small.CONVOLUTIONS)
    estimator = small_estimator(model, epochs=1, shape=(4, 4, 1), validation_fraction=0.2)
    codes = estimator.fit_transform(X)
    assert codes.shape == (60, 2) and estimator.inverse_transform(codes).shape == (60, 16)
    assert estimator.result_.run.dataset.num_rows == {"train": 48, "validation": 12, "test": 0}


def test_seeds_are_numbers_or_are_drawn() -> None:
    seeds = [small_estimator(random_state=each)._seed() for each in (7, np.int64(7))]
    drawn = [small_estimator(random_state=np.random.RandomState(n))._seed() for n in (0, 0, 1)]
    assert seeds == [7, 7] and drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            small_estimator(jaxae.VAE(num_classes=2)),
            "^model: VAE is conditional, but transform gets no labels",
        ),
        (small_estimator(jaxae.TokenPrior()), "^model: TokenPrior has no codes"),
        (
            small_estimator(early_stopping=jaxae.EarlyStopping()),
            "^early_stopping: needs validation rows; set",
        ),
    ],
)
def test_mistakes_are_one_line(estimator: AutoencoderTransformer, message: str) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message):
        estimator.fit(X)
