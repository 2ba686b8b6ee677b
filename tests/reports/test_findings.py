"""Warnings of a run's page: each one appears for the numbers that it is about, and for no others."""

from typing import Any

import numpy as np
import pytest

from jaxae.reports import findings

GOOD: dict[str, Any] = {"status": "finished", "reason": None}


def history(train: list[float], validation: list[float]) -> list[dict[str, Any]]:
    return [
        {"epoch": number + 1, "train": {"loss": a}, "validation": {"loss": b}}
        for number, (a, b) in enumerate(zip(train, validation, strict=True))
    ]


FLAT = history([3.0, 2.0, 1.0, 1.0], [3.0, 2.0, 1.999, 2.0])


def texts(**changed: Any) -> list[tuple[str, str]]:
    given: dict[str, Any] = {"state": GOOD, "history": FLAT, "scores": {}} | changed
    return findings.of_run(**given)


def test_a_good_run_has_no_warning() -> None:
    codes = np.random.default_rng(0).normal(size=(100, 3))
    scores = {
        "test": {"iwelbo_64_ess": 20.0, "iwelbo_64_unreliable": 0.0, "dead_units": 0, "codebook_usage": 0.9}
    }
    assert texts(scores=scores, codes=codes, is_variational=True) == []


def test_a_diverged_run_comes_first_with_its_reason() -> None:
    state = {"status": "diverged", "reason": "the loss is nan at step 7"}
    (first, *_) = texts(state=state, history=history([1.0, 0.5, 0.1], [1.0, 2.0, 3.0]))
    assert first == ("problem", "The run is diverged: the loss is nan at step 7")


@pytest.mark.parametrize("status", ["killed", "interrupted", "unfinished"])
def test_an_unfinished_run_is_a_warning(status: str) -> None:
    assert texts(state={"status": status})[0][0] == "warning"


def test_overfitting_needs_a_rising_validation_loss_and_a_falling_training_loss() -> None:
    ((level, text),) = texts(history=history([4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 3.5, 3.6]))
    assert level == "warning" and "after epoch 2 of 4 the validation loss rose by 20.0%" in text
    # The training loss rises too: no overfitting.
    assert texts(history=history([4.0, 3.0, 3.5, 3.6], [4.0, 3.0, 3.5, 3.6])) == []


def test_a_loss_that_still_falls_is_a_hint() -> None:
    falling = [10.0 - number for number in range(8)]
    ((level, text),) = texts(history=history(falling, falling))
    assert level == "hint" and "still falling at the last epoch" in text


def test_collapse_counts_dimensions_by_the_variance_of_their_codes() -> None:
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(size=(200, 1)), 1e-3 * rng.normal(size=(200, 3))], axis=1)
    ((level, text),) = texts(codes=codes, is_variational=True)
    assert level == "warning" and "1 of 4 latent dimensions are active" in text
    ((level, text),) = texts(codes=codes[:, 1:], is_variational=True)
    assert level == "problem" and "Posterior collapse" in text and "0 of 3" in text
    assert texts(codes=codes, is_variational=False) == []


def test_importance_sampling_and_units_are_looked_at() -> None:
    scores = {
        "test": {
            "iwelbo_64_ess": 3.0,
            "iwelbo_64_unreliable": 0.25,
            "dead_units": 12,
            "codebook_usage": 0.1,
        }
    }
    found = " ".join(text for level, text in texts(scores=scores) if level == "warning")
    for part in (
        "iwelbo_64 has an effective sample size of 3 of 64 draws",
        "iwelbo_64 of 25% of the test rows is not reliable",
        "12 units are dead",
        "Only 10% of the codebook",
    ):
        assert part in found


def test_failed_runs_of_a_sweep_are_counted_with_their_reasons() -> None:
    rows = [{"run": f"r{number}", "status": "finished"} for number in range(5)]
    rows += [{"run": "bad", "status": "diverged", "reason": "the loss is nan at step 3"}]
    (found,) = findings.of_sweep(rows, [], ("diverged",))
    assert found == ("problem", "1 of 6 runs failed. run bad: the loss is nan at step 3")
    assert findings.of_sweep(rows[:5], ["jax 1 -> 2"], ("diverged",))[0][0] == "warning"
