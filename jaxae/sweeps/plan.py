"""The plan of a sweep: runs from settings and seeds, grouped into one program for each structure.

The structure of an experiment is everything but its floats (see `jax.tree.structure`). Runs of one structure
and one data set share a compiled program, because their floats are traced.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

from jaxae.data import AnyDataset, Dataset
from jaxae.data.data_spec import DataSpec
from jaxae.data.location import with_counts
from jaxae.data.splits import settled
from jaxae.errors import JaxaeError
from jaxae.maths import precision
from jaxae.protocols.capabilities import MonteCarlo
from jaxae.runs import length
from jaxae.runs.code import identity, traces
from jaxae.runs.code.identity import Classes, Code
from jaxae.runs.compilation_cache import keep_compiled_programs
from jaxae.runs.experiment import Experiment, as_arrays, example_batch, fill, resolve, total_steps
from jaxae.runs.run_record import check_recordable, check_seed
from jaxae.specs import old_records
from jaxae.specs.cells import cell, plain
from jaxae.specs.pytree import defaults, get, is_node, is_traced, paths, replace
from jaxae.specs.records import class_name, to_record
from jaxae.sweeps.define import Setting
from jaxae.training import epoch, platforms

Load = Callable[[DataSpec], Dataset]


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of a sweep: a resolved experiment and a seed."""

    id: str
    """Digest of the experiment, the seed, the data and the code; 12 hexadecimal digits."""
    experiment: Experiment
    """Experiment with the data-dependent fields filled in."""
    seed: int
    """Seed of the run."""
    code: str | None = None
    """Digest of the source of a user's own classes; None without such classes, or if it was not recorded."""


@dataclasses.dataclass(frozen=True)
class Program:
    """Runs of one structure, which share their data and one compiled program."""

    id: str
    """Digest of the structure, the data and the code."""
    dataset: AnyDataset
    """Data set of all runs."""
    runs: list[Planned]
    """Runs in the order of settings and seeds."""
    code: Code | None = None
    """Source of a user's own classes; None without such classes."""

    @property
    def example(self) -> Experiment:
        """The experiment of the first run: all runs have its structure."""
        return self.runs[0].experiment

    @property
    def num_steps(self) -> int:
        """Number of training steps of a whole run."""
        return total_steps(self.example, self.dataset.num_rows["train"])

    @property
    def num_parameters(self) -> int:
        """Number of learned parameters of each run."""
        params = self._carry().state.variables.params
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    @property
    def lane_bytes(self) -> int:
        """Approximate bytes that a lane needs in training: state, gradients and a batch's activations."""
        carry = self._carry()
        state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(carry))
        shapes = [leaf.shape for leaf in jax.tree.leaves(carry.state.variables.params)]
        # The last axis of a weight is the number of units of its layer: the activations of one example are
        # about the sum over layers, plus a few arrays of the data's own size (input, logits and their
        # gradients).
        units = sum(shape[-1] for shape in shapes if shape) + 4 * int(np.prod(self.dataset.shape))
        model = self.example.model
        draws = model.num_samples if isinstance(model, MonteCarlo) else 1
        itemsize = np.dtype(precision.dtype(self.example)).itemsize
        return 2 * state + 3 * itemsize * units * self.example.batch_size * draws

    def _carry(self) -> epoch.Carry:
        """Return the shapes and types of a run before its first epoch; nothing is computed."""
        from jaxae import keys

        batch = example_batch(self.dataset)
        with precision.of(self.example):
            return jax.eval_shape(epoch.begin, as_arrays(self.example), keys.root(0), batch)


def plan(base: Experiment, settings: Iterable[Setting], seeds: Sequence[int], load: Load) -> list[Program]:
    """Return the programs of `base` under every setting and seed, in order of first use.

    A run that occurs twice is trained once.

    Args:
        base: Experiment that the settings override.
        settings: Overrides {dotted name: value}.
        seeds: Seeds that each setting is trained under.
        load: Returns the data set of a `DataSpec`; called once for each `DataSpec`.

    Returns:
        One program for each structure, with its runs.

    Raises:
        JaxaeError: If a setting is invalid; the message names the dotted name and the reason.
    """
    platforms.check()
    keep_compiled_programs()
    for seed in seeds:
        check_seed(seed)
    datasets: dict[DataSpec, Dataset] = {}
    programs: dict[Any, Program] = {}
    codes: dict[Classes, Code | None] = {}
    run_ids: set[str] = set()
    for setting in settings:
        experiment = apply(base, setting)
        if experiment.data not in datasets:
            datasets[experiment.data] = _in_memory(experiment, load)
        dataset = datasets[experiment.data]  # loaded once: the settings of a sweep mostly share it
        # Before the digests: they hold the numbers of held-out rows, and not a share or None.
        experiment = replace(experiment, "data", settled(experiment.data, dataset.num_rows))
        # The treedef holds the static fields (with the DataSpec), so equal keys mean one compiled program.
        structure = jax.tree.structure(experiment)
        if structure not in programs:
            # Once for each structure, before anything is trained: a run without a record could not be loaded
            # again.
            check_recordable(resolve(experiment, dataset))
            code = _code_of(experiment, codes)
            name = _structure_digest(experiment, dataset, code.digest if code else None)
            programs[structure] = Program(name, dataset, [], code)
        for run in runs_of(experiment, seeds, dataset, codes):
            if run.id not in run_ids:
                run_ids.add(run.id)
                programs[structure].runs.append(run)
    return list(programs.values())


def runs_of(
    experiment: Experiment,
    seeds: Sequence[int],
    dataset: AnyDataset,
    codes: dict[Classes, Code | None] | None = None,
) -> list[Planned]:
    """Return the runs of an experiment under each seed, with the data-dependent fields filled in.

    Args:
        experiment: The experiment.
        seeds: Seeds.
        dataset: The data set of the experiment.
        codes: Cache of the code of classes that were already described; None starts an empty one.

    Returns:
        One run for each seed.
    """
    experiment = fill(experiment, dataset)
    code = _code_of(experiment, {} if codes is None else codes)
    code_digest = code.digest if code else None
    return [
        Planned(run_id(experiment, seed, dataset, code_digest), experiment, seed, code_digest)
        for seed in seeds
    ]


def run_id(experiment: Experiment, seed: int, dataset: AnyDataset, code: str | None) -> str:
    """Return the digest that identifies a run.

    Args:
        experiment: Experiment with the data-dependent fields filled in.
        seed: Seed of the run.
        dataset: Data set, of which the hash counts.
        code: Digest of the source of a user's own classes; None without such classes.

    Returns:
        12 hexadecimal digits.
    """
    # `identity` writes the record with the names of older versions, so that their runs are not trained again.
    record = json.dumps(old_records.identity(to_record(experiment)), sort_keys=True)
    return digest([record, seed, dataset.hash, *([code] if code else [])])


def _code_of(experiment: Experiment, codes: dict[Classes, Code | None]) -> Code | None:
    """Return the code of an experiment's own classes, described once for each set of classes."""
    classes = identity.classes_of(experiment)
    if classes not in codes:
        codes[classes] = identity.describe_classes(classes)
        # In a notebook a class can be the same object and call changed code: jax would reuse its old trace.
        traces.forget_changed(codes[classes])
    return codes[classes]


def apply(base: Experiment, setting: Setting) -> Experiment:
    """Return `base` with the overrides of a setting.

    Args:
        base: Experiment.
        setting: {dotted name: value}. A part (`model`) is replaced before the fields inside it
            (`model.beta`).

    Returns:
        The new experiment. Whole numbers in fields of floats become floats.

    Raises:
        JaxaeError: If a name does not exist, a value is invalid, or the setting overrides `seed`.
    """
    experiment = base
    for path, value in sorted(setting.items(), key=lambda item: item[0].count(".")):
        if path == "seed":
            raise JaxaeError(
                "seed: not a field of the experiment; set the seeds of the sweep (--seeds 5 or seeds=5)"
            )
        experiment = replace(experiment, path, plain(value))
    # After the overrides: the default numbers of held-out rows depend on `data.name`.
    experiment = replace(experiment, "data", with_counts(experiment.data))
    experiment = length.choose(experiment, setting)
    # 1 and 1.0 must be the same run: an int leaf would have another digest and another compiled program.
    return jax.tree.map(lambda leaf: float(leaf) if type(leaf) is int else leaf, experiment)


def stack(experiments: Sequence[Experiment]) -> Experiment:
    """Stack experiments of one structure: the leaves of the result are f32[R] (f64[R] in float64)."""
    return jax.tree.map(lambda *leaves: np.asarray(leaves, precision.dtype(experiments[0])), *experiments)


def _in_memory(experiment: Experiment, load: Load) -> Dataset:
    """Load the data of an experiment. Raises: JaxaeError if the data are streamed."""
    if experiment.data.stream:
        raise JaxaeError(
            "data.stream: got True, but a sweep holds all rows on the device; train single runs instead"
        )
    return load(experiment.data)


def _structure_digest(experiment: Experiment, dataset: AnyDataset, code: str | None) -> str:
    """Return the digest that identifies a program."""
    # Floats are traced and do not belong to the structure, except those of nets (a dropout rate).
    parts = [
        (path, value)
        for path, _, value in paths(experiment)
        if (not isinstance(value, float) or _is_static(experiment, path, value))
        and not old_records.is_added(experiment, path)
    ]
    structure = [
        [old_records.path(experiment, path), _class_of(value) if is_node(value) else cell(value)]
        for path, value in parts
    ]
    return digest([structure, dataset.hash, *([code] if code else [])])


def _is_static(experiment: Experiment, path: str, value: float) -> bool:
    """Return whether a float is structure and differs from its default."""
    if is_traced(experiment, path):
        return False
    parent, _, name = path.rpartition(".")
    # Digests of older versions had no floats at all: with the default they stay as they were.
    return defaults(type(get(experiment, parent))).get(name) != value


def _class_of(node: Any) -> str:
    """Return the name of a node's class as it enters digests: without its module."""
    name = class_name(type(node))
    return old_records.NAMES_1.get(name, name).rpartition(".")[2]


def digest(parts: list[Any]) -> str:
    """Return 12 hexadecimal digits of the SHA-256 of parts that JSON can hold.

    Among 10,000 runs, two share these digits by accident in one of five million sweeps.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
