"""A search: proposals are trained in batches, told, gone on with after a kill, and better than chance."""

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxae
from jaxae.runs import notes
from jaxae.specs.pytree import replace
from jaxae.sweeps import search as searching
from jaxae.sweeps.choice_names import name_choices
from jaxae.sweeps.define import Choice
from jaxae.sweeps.groups.programs import number_compiled
from jaxae.sweeps.tables.summary import higher_is_better
from tests import small

X = small.images()
OVER = {
    "optimizer.learning_rate": jaxae.LogUniform(1e-5, 1e-1),
    "model.beta": jaxae.Uniform(0.5, 2.0),
    "optimizer": [jaxae.Adam(), jaxae.SGD()],
}
RATES = {"optimizer.learning_rate": jaxae.LogUniform(1e-5, 1e-1)}


def search(**options: Any) -> jaxae.Results:
    settings = {"trials": 6, "lanes": 2, "x": X, "layout": "map", "progress": False, "over": RATES}
    return jaxae.search(small.experiment(epochs=2), **{**settings, **options})


def proposals(results: jaxae.Results) -> list[float]:
    return sorted(row["optimizer.learning_rate"] for row in results)


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("random", marks=pytest.mark.slow)])
def test_a_search_is_reproducible_by_its_seed(sampler: str) -> None:
    first, again, other = (search(sampler=sampler, seed=seed) for seed in (0, 0, 1))
    assert proposals(first) == proposals(again) != proposals(other)
    assert len(set(proposals(first))) == 6 and all(1e-5 <= rate <= 1e-1 for rate in proposals(first))


def test_a_search_takes_the_direction_of_the_scores_definition() -> None:
    """A model's own term is minimised, whatever it is called."""

    @jaxae.spec
    class Named(jaxae.AE):
        def weights(self, step: Any) -> dict[str, Any]:
            return {"accuracy": 1.0, "log_prob": 1.0}

    plain, own = small.experiment(), small.experiment(Named(**small.NETS))
    direction = {
        (base, score): higher_is_better(f"validation.{score}", searching._facts(experiment, {}))
        for base, experiment in (("plain", plain), ("own", own))
        for score in ("elbo", "iwelbo_64", "loss", "log_prob", "accuracy", "squared_error")
    }
    assert [key for key, is_higher in direction.items() if is_higher] == [
        ("plain", "elbo"),
        ("plain", "iwelbo_64"),
        ("plain", "log_prob"),
        ("own", "elbo"),
        ("own", "iwelbo_64"),
    ]


def test_a_search_that_is_killed_proposes_and_trains_what_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search()
    tell, asked = searching._tell, []

    def killed(*arguments: Any) -> None:
        asked.append(arguments)
        if len(asked) in (1, 4):  # before the first trial of a batch was told, and after it
            raise MemoryError("killed")
        tell(*arguments)

    monkeypatch.setattr(searching, "_tell", killed)
    for _ in range(2):
        with pytest.raises(MemoryError):
            search(run_dir=tmp_path / "search")
    results = search(run_dir=tmp_path / "search", name="rates", tags=["a"])
    assert notes.read(tmp_path / "search").name == "rates" and notes.read(tmp_path / "search").tags == ("a",)
    assert proposals(results) == proposals(whole)
    scores = [sorted(row["validation.elbo"] for row in rows) for rows in (results, whole)]
    assert scores[0] == scores[1]
    more = search(run_dir=tmp_path / "search", trials=8)
    assert len(more) == 8 and set(proposals(whole)) < set(proposals(more))


@pytest.mark.slow
def test_each_batch_is_one_program_for_a_structure_and_seeds_are_averaged() -> None:
    before = number_compiled()
    results = search(trials=4, lanes=2, seeds=3)
    assert number_compiled() == before + 1
    assert len(results) == 12 and len(results.summary) == 4 and set(results.summary["n"]) == {3}


@pytest.mark.slow
def test_choices_of_parts_are_programs_of_their_own() -> None:
    over = {
        "optimizer": [jaxae.Adam(learning_rate=3e-3), jaxae.SGD(learning_rate=1e-4)],
        "batch_size": jaxae.Integer(9, 10),
    }
    results = search(over=over, trials=8, lanes=4)
    assert {row["optimizer"] for row in results} == {"Adam", "SGD"}
    assert {row["batch_size"] for row in results} == {9, 10}


def test_a_trial_that_diverges_counts_and_is_never_the_best() -> None:
    results = search(over={"optimizer.learning_rate": [1e-3, 1e30]}, trials=6, lanes=3)
    summary = results.summary.set_index("optimizer.learning_rate")
    assert list(summary.loc[[1e-3, 1e30], "n_failed"]) == [0, 1] and summary.loc[1e-3, "best"]


def test_tpe_comes_nearer_to_a_known_optimum_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without training: the journal, batches and directions on a score known in closed form."""
    pytest.importorskip("optuna")

    def best(sampler: str, seed: int) -> float:
        import math

        import optuna

        study = optuna.create_study(direction="maximize")
        values = []
        for _ in range(8):
            batch = searching._ask(optuna, study, RATES, 8, sampler, seed)
            for trial in batch:
                value = -abs(math.log(trial.params["optimizer.learning_rate"] / 3e-3))
                values.append(value)
                rows = [{"status": "finished", "score": value}]
                searching._tell(optuna, study, trial, rows, "score")
        return max(values)

    pairs = [(best("tpe", seed), best("random", seed)) for seed in range(8)]
    assert sum(tpe > random for tpe, random in pairs) >= 6, pairs


def test_one_process_searches_in_a_directory(tmp_path: Path) -> None:
    from jaxae.sweeps.store import Store

    with Store(tmp_path / "search").searching(), pytest.raises(jaxae.JaxaeError, match="another process"):
        search(run_dir=tmp_path / "search")


def test_without_optuna_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "optuna":
            raise ImportError("no", name="optuna")
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    with pytest.raises(jaxae.JaxaeError, match=r"optuna is not installed; pip install 'jaxae\[search\]'"):
        search()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sampler": "tpes"}, "search: got 'tpes'; did you mean 'tpe'"),
        ({"trials": 0}, "trials: got 0"),
        ({"lanes": True}, "lanes: got True"),
        ({"over": {"model.bta": [1.0]}}, "did you mean 'beta'"),
        ({"over": {"batch_size": jaxae.Integer(100, 200)}}, "batch_size: got 1"),
    ],
)
def test_mistakes_are_told(options: dict, message: str) -> None:
    with pytest.raises(jaxae.JaxaeError, match=message):
        search(**options)


@jaxae.spec
class Steps(jaxae.SGD):
    """A class of a user's own."""


def test_scores_of_other_code_are_another_study() -> None:
    """A search that was done with the code of before is not done."""
    base, choice = small.experiment(), {"optimizer": Choice((Steps(learning_rate=0.1), jaxae.Adam()))}
    assert searching._study_name(base, {}) == "jaxae", "as before code was kept"
    names = {
        searching._study_name(base, choice),
        searching._study_name(replace(base, "optimizer", Steps()), {}),
    }
    assert len(names) == 1 and "jaxae" not in names


def test_choices_have_their_names_in_optunas_storage() -> None:
    parts = [jaxae.Adam(), jaxae.SGD(), jaxae.Adam(learning_rate=0.1)]
    assert name_choices(parts) == ["Adam(learning_rate=0.001)", "SGD", "Adam(learning_rate=0.1)"]
    assert name_choices([5, 10, None, "relu"]) == [5, 10, None, "relu"]
    assert name_choices([1, True]) == ["1 (0)", "True (1)"] and name_choices([1, "1"]) == ["1 (0)", "1 (1)"]
