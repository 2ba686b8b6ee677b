"""MLflow: one run for each run, runs of a sweep with a common tag."""

import dataclasses
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxae.protocols.tracker import TrackedRun
from jaxae.trackers.importing import import_extra

# Tags of the runs: the id by which a resumed run is found again, the sweep, and how the run ended.
ID, GROUP, STATUS = "jaxae.id", "jaxae.group", "jaxae.status"
FAILED = ("diverged", "failed")


@dataclasses.dataclass
class MLflow:
    """Tracker of MLflow.

    It needs mlflow or mlflow-skinny: `pip install 'jaxae[trackers]'`.
    """

    experiment: str = "jaxae"
    """Name of MLflow's experiment, which is made if it does not exist."""

    uri: str | None = None
    """Tracking server or database, such as `sqlite:///mlflow.db`. None: MLFLOW_TRACKING_URI, or MLflow's
    default."""

    _client: Any = dataclasses.field(default=None, init=False, repr=False)
    _runs: dict[str, str] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def start(self, run: TrackedRun) -> None:
        """Create a run of MLflow, or find that of a resumed run by its id."""
        mlflow = import_extra("mlflow")
        # MLflow reports at INFO that it makes the tables of a new database.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        # At the first connection SQLAlchemy warns of code of MLflow.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._client = self._client or mlflow.MlflowClient(self.uri)
            experiment = self._client.get_experiment_by_name(self.experiment)
            number = (
                experiment.experiment_id if experiment else self._client.create_experiment(self.experiment)
            )
            known = self._client.search_runs([number], f"tags.`{ID}` = '{run.id}'", max_results=1)
        if known:
            self._runs[run.id] = known[0].info.run_id
            self._client.update_run(self._runs[run.id], "RUNNING")
            return
        tags = {ID: run.id, **({GROUP: run.group} if run.group else {})}
        created = self._client.create_run(number, run_name=run.name, tags=tags)
        self._runs[run.id] = created.info.run_id
        params = [mlflow.entities.Param(name, str(value)) for name, value in run.settings.items()]
        self._log(run, params=params)

    def epoch(self, run: TrackedRun, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log the numbers of an epoch; the epoch is the step of MLflow."""
        self._log_numbers(run, numbers, epoch)

    def figures(self, run: TrackedRun, files: Sequence[Path]) -> None:
        """Log figures as artifacts."""
        for file in files:
            self._client.log_artifact(self._runs[run.id], str(file), "figures")

    def scores(self, run: TrackedRun, scores: Mapping[str, float]) -> None:
        """Log the final scores as metrics with the prefix `final/`."""
        # A prefix, because MLflow would append them to the curve of the same name.
        self._log_numbers(run, {f"final/{name}": value for name, value in scores.items()}, 0)

    def end(self, run: TrackedRun, status: str) -> None:
        """End the run; a run that diverged or failed is marked as FAILED."""
        name = self._runs.pop(run.id)
        self._client.set_tag(name, STATUS, status)
        killed = "KILLED" if status == "interrupted" else "FINISHED"
        self._client.set_terminated(name, "FAILED" if status in FAILED else killed)

    def _log_numbers(self, run: TrackedRun, numbers: Mapping[str, float], step: int) -> None:
        metric, now = import_extra("mlflow").entities.Metric, int(time.time() * 1000)
        self._log(run, metrics=[metric(name, value, now, step) for name, value in numbers.items()])

    def _log(self, run: TrackedRun, **entries: Any) -> None:
        """Log all entries in one request."""
        self._client.log_batch(self._runs[run.id], **entries)
