"""Trackers receive the numbers of runs: TensorBoard, Weights & Biases, MLflow, trackio."""

from jaxae.protocols.tracker import TrackedRun as TrackedRun
from jaxae.protocols.tracker import Tracker as Tracker
from jaxae.trackers.mlflow_tracker import MLflow as MLflow
from jaxae.trackers.tensorboard_tracker import TensorBoard as TensorBoard
from jaxae.trackers.trackio_tracker import Trackio as Trackio
from jaxae.trackers.wandb_tracker import WandB as WandB
