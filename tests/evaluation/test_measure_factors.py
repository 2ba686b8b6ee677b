"""The group of disentanglement on data whose factors are the codes: an encoder that knows them is perfect."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxae
from jaxae.evaluation import factor_measures, measure_groups
from jaxae.types import Variables


def run_on(folder: Path, kernel: np.ndarray, known: int = 2) -> jaxae.Result:
    """A linear autoencoder of x = (factors, a row's number) with the encoder [3, L], on a .npz.

    Of the two factors the first `known` are recorded, and one that never varies.
    """
    random = np.random.RandomState(0)
    factors = np.stack([random.randint(4, size=900), random.randint(3, size=900)], axis=1)
    recorded = np.column_stack([factors[:, :known], np.ones(900, int)])
    x = np.column_stack([factors / [3, 2], np.arange(900) / 900]).astype(np.float32)
    np.savez(folder / "factored.npz", x=x, factors=recorded)
    layer: dict[str, Any] = {"encoder": jaxae.MLP(widths=()), "decoder": jaxae.MLP(widths=())}
    data = jaxae.DataSpec(name=str(folder / "factored.npz"), num_validation=0, num_test=100)
    ae = jaxae.AE(**layer, latent_dim=kernel.shape[1])
    result = jaxae.fit(jaxae.Experiment(data=data, model=ae, epochs=1))
    variables = result.variables
    encoder = {
        "Dense_0": {"kernel": kernel.astype(np.float32), "bias": np.zeros(kernel.shape[1], np.float32)}
    }
    params = Variables({**variables.params, "encoder": encoder})
    state = result.outcome.carry.state._replace(variables=params)
    carry = result.outcome.carry._replace(state=state, best=state)
    outcome = result.outcome.__class__(carry, result.outcome.history)
    return jaxae.Result(result.run, outcome, result.scores)


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factor_measures, "NUM", 400)
    monkeypatch.setattr(factor_measures, "DRAWS", 2)


def test_codes_that_are_the_factors_score_one_and_mixed_ones_less(tmp_path: Path) -> None:
    perfect = run_on(tmp_path, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    mixed = run_on(tmp_path, np.array([[1.0, 1.0], [0.6, -0.6], [0.0, 0.0]]))
    found = [
        {row.measure: row for row in measure_groups.measure(each, "disentanglement")["disentanglement"]}
        for each in (perfect, mixed)
    ]
    for name in ("mig", "modularity", "dci_disentanglement", "dci_informativeness", "factor_vae_score"):
        assert found[0][name].value == pytest.approx(1, abs=0.05), name
        assert found[1][name].value <= found[0][name].value + 1e-9
    assert found[1]["mig"].value < 0.5 and found[1]["dci_disentanglement"].value < 0.7
    assert found[0]["mig"].num == 400 and "2 draws" in found[0]["mig"].how


def test_one_factor_has_the_scores_that_compare_units(tmp_path: Path) -> None:
    run = run_on(tmp_path, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), known=1)
    measured = measure_groups.measure(run, "disentanglement")
    found = {row.measure: row.value for row in measured["disentanglement"]}
    assert set(found) == {"mig", "sap", "dci_completeness", "dci_informativeness"}
    assert found["mig"] == pytest.approx(1, abs=0.05) and found["dci_completeness"] == pytest.approx(
        1, abs=0.05
    )
    reason = "factors of the data: got 1, expected 2 or more to compare"
    assert measured.absent["disentanglement.modularity"] == reason
    assert set(measured.absent) == {
        f"disentanglement.{name}"
        for name in ("modularity", "dci_disentanglement", "factor_vae_score", "beta_vae_score")
    }


def test_halves_are_disjoint(tmp_path: Path) -> None:
    run = run_on(tmp_path, np.eye(3)[:, 2:])  # the code is the row's number
    draw = factor_measures._draw(measure_groups.Subject(run, measure_groups.Settings()), 0)
    assert len(draw.codes) == len(draw.test_codes) == 400
    assert not set(draw.codes.ravel()) & set(draw.test_codes.ravel())
