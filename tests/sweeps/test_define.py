"""Settings from grids, zips and draws."""

import math

import numpy as np
import pytest

import jaxae
from jaxae.sweeps.define import settings


def test_a_grid_is_every_combination_the_last_name_fastest() -> None:
    assert jaxae.grid({"a": [1, 2], "b": ["xy", "z"]}) == [
        {"a": 1, "b": "xy"}, {"a": 1, "b": "z"}, {"a": 2, "b": "xy"}, {"a": 2, "b": "z"},
    ]  # fmt: skip
    assert jaxae.grid({}) == [{}]


def test_zipped_takes_values_together_and_crossed_multiplies() -> None:
    pairs = jaxae.zipped({"a": [1, 2], "b": [3, 4]})
    assert pairs == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert jaxae.crossed(pairs, [{"c": 5}, {"a": 6}]) == [
        {"a": 1, "b": 3, "c": 5}, {"a": 6, "b": 3}, {"a": 2, "b": 4, "c": 5}, {"a": 6, "b": 4},
    ]  # fmt: skip
    with pytest.raises(jaxae.JaxaeError, match="got 2 for a, 1 for b"):
        jaxae.zipped({"a": [1, 2], "b": [3]})


def test_draws_follow_their_distributions() -> None:
    over = {
        "log": jaxae.LogUniform(1e-4, 1e-2),
        "lin": jaxae.Uniform(-1.0, 3.0),
        "int": jaxae.Integer(2, 4),
        "one": ["a", "b"],
    }
    drawn = jaxae.sampled(over, 4000, seed=1)
    columns = {name: [setting[name] for setting in drawn] for name in over}
    logs = np.log(columns["log"])
    for values, low, high in ((logs, math.log(1e-4), math.log(1e-2)), (np.array(columns["lin"]), -1.0, 3.0)):
        assert low <= values.min() and values.max() <= high
        # Mean and variance of a uniform distribution, within five standard errors.
        assert abs(values.mean() - (low + high) / 2) < 5 * (high - low) / math.sqrt(12 * 4000)
        assert abs(values.var() / ((high - low) ** 2 / 12) - 1) < 5 * math.sqrt(0.8 / 4000)
    for values, kinds in ((columns["int"], [2, 3, 4]), (columns["one"], ["a", "b"])):
        shares = [values.count(kind) / 4000 for kind in kinds]
        assert sum(shares) == 1 and max(
            abs(share - 1 / len(kinds)) for share in shares
        ) < 5 * 0.5 / math.sqrt(4000)
    assert all(type(value) is int for value in columns["int"])


def test_more_draws_begin_with_the_fewer() -> None:
    over = {"a": jaxae.Uniform(0, 1)}
    assert (
        jaxae.sampled(over, 10, seed=3)[:4]
        == jaxae.sampled(over, 4, seed=3)
        != jaxae.sampled(over, 4, seed=4)
    )


def test_spreads_hold_both_ends() -> None:
    assert jaxae.LogUniform(1e-4, 1e-2).spread(3) == pytest.approx([1e-4, 1e-3, 1e-2])
    assert jaxae.Uniform(0.0, 1.0).spread(5) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert jaxae.Integer(2, 5).spread(9) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: jaxae.LogUniform(0.0, 1.0), "LogUniform: got low 0.0"),
        (lambda: jaxae.Uniform(2.0, 1.0), "low <= high"),
        (lambda: jaxae.Uniform(0.0, math.inf), "low <= high"),
        (lambda: jaxae.Integer(1.5, 3), "expected whole numbers"),
        (lambda: jaxae.Choice(()), "got no values"),
        (lambda: jaxae.sampled({"a": [1]}, 0), "got 0 settings"),
        (lambda: jaxae.grid({"a": "abc"}), "expected a list of values"),
    ],
)
def test_mistakes_are_told(make, message: str) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message):
        make()


def test_a_function_of_settings_is_called() -> None:
    def sweep():
        for beta in (1.0, 2.0):
            yield {"model.beta": beta}

    assert settings(sweep) == [{"model.beta": 1.0}, {"model.beta": 2.0}]
    assert settings({"a": [1]}) == [{"a": 1}]
