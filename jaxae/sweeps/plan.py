"""From settings and seeds to runs, and from runs to programs: one for each structure."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

from jaxae.data import AnyDataset, Dataset
from jaxae.data.data_spec import DataSpec
from jaxae.errors import JaxaeError
from jaxae.maths import precision
from jaxae.protocols.capabilities import MonteCarlo
from jaxae.runs.code import identity, traces
from jaxae.runs.code.identity import Classes, Code
from jaxae.runs.experiment import Experiment, as_arrays, example_batch, fill, num_steps, resolve
from jaxae.runs.run_record import check_recordable, check_seed
from jaxae.specs import old_records
from jaxae.specs.pytree import is_node, paths, replace
from jaxae.specs.records import class_name, to_record
from jaxae.sweeps.define import Setting
from jaxae.training import epoch, platforms

Load = Callable[[DataSpec], Dataset]


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of a sweep: a resolved experiment and a seed, known by a digest of them, data and code."""

    id: str
    experiment: Experiment
    seed: int
    code: str | None = None
    """The digest of the code of a user's own classes; None without them, and where it was not kept."""


@dataclasses.dataclass(frozen=True)
class Program:
    """The runs of one structure, which share their data and one compiled program."""

    id: str
    dataset: AnyDataset
    runs: list[Planned]
    code: Code | None = None
    """Of a user's own classes."""

    @property
    def example(self) -> Experiment:
        """One of the experiments: all have its structure."""
        return self.runs[0].experiment

    @property
    def num_steps(self) -> int:
        """Steps of a whole run."""
        return self.example.epochs * num_steps(self.example, self.dataset.num_rows["train"])

    @property
    def num_parameters(self) -> int:
        """How many numbers each run learns."""
        params = self._carry().state.variables.params
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    @property
    def lane_bytes(self) -> int:
        """What a lane occupies while it trains, about: its state, the gradients and a batch's activations."""
        carry = self._carry()
        state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(carry))
        shapes = [leaf.shape for leaf in jax.tree.leaves(carry.state.variables.params)]
        units = sum(shape[-1] for shape in shapes if shape) + 4 * int(np.prod(self.dataset.shape))
        model = self.example.model
        draws = model.num_samples if isinstance(model, MonteCarlo) else 1
        itemsize = np.dtype(precision.dtype(self.example)).itemsize
        return 2 * state + 3 * itemsize * units * self.example.batch_size * draws

    def _carry(self) -> epoch.Carry:
        from jaxae import keys

        batch = example_batch(self.dataset)
        with precision.of(self.example):
            return jax.eval_shape(epoch.begin, as_arrays(self.example), keys.root(0), batch)


def plan(base: Experiment, settings: Iterable[Setting], seeds: Sequence[int], load: Load) -> list[Program]:
    """The programs of `base` under each setting and seed, in order; what is there twice is run once.

    `load` gives the data that an experiment names; it is called once for each `DataSpec`.
    Raises: JaxaeError naming the setting's dotted name and what is wrong with it.
    """
    platforms.check()
    for seed in seeds:
        check_seed(seed)
    datasets: dict[DataSpec, Dataset] = {}
    programs: dict[Any, Program] = {}
    codes: dict[Classes, Code | None] = {}
    known: set[str] = set()
    for setting in settings:
        experiment = apply(base, setting)
        if experiment.data not in datasets:
            datasets[experiment.data] = _in_memory(experiment, load)
        dataset = datasets[experiment.data]
        structure = jax.tree.structure(experiment)
        if structure not in programs:
            check_recordable(resolve(experiment, dataset))
            code = _code_of(experiment, codes)
            name = _structure_digest(experiment, dataset, code.digest if code else None)
            programs[structure] = Program(name, dataset, [], code)
        for run in runs_of(experiment, seeds, dataset, codes):
            if run.id not in known:
                known.add(run.id)
                programs[structure].runs.append(run)
    return list(programs.values())


def runs_of(
    experiment: Experiment,
    seeds: Sequence[int],
    dataset: AnyDataset,
    codes: dict[Classes, Code | None] | None = None,
) -> list[Planned]:
    """The runs of an experiment, with what depends on its data filled in, under each seed.

    `codes`: of the classes that are known already.
    """
    experiment = fill(experiment, dataset)
    code = _code_of(experiment, {} if codes is None else codes)
    told = code.digest if code else None
    return [Planned(run_id(experiment, seed, dataset, told), experiment, seed, told) for seed in seeds]


def run_id(experiment: Experiment, seed: int, dataset: AnyDataset, code: str | None) -> str:
    """The digest by which a run is known; `code` is that of a user's own classes."""
    record = json.dumps(old_records.identity(to_record(experiment)), sort_keys=True)
    return digest([record, seed, dataset.hash, *([code] if code else [])])


def _code_of(experiment: Experiment, codes: dict[Classes, Code | None]) -> Code | None:
    classes = identity.classes_of(experiment)
    if classes not in codes:
        codes[classes] = identity.describe_classes(classes)
        traces.forget_changed(codes[classes])
    return codes[classes]


def apply(base: Experiment, setting: Setting) -> Experiment:
    """`base` with the setting's overrides, parts before what is inside them; 1 is 1.0 where floats are."""
    experiment = base
    for path, value in sorted(setting.items(), key=lambda item: item[0].count(".")):
        if path == "seed":
            raise JaxaeError("seed: is no part of the experiment; give the sweep's seeds (--seeds 5)")
        experiment = replace(experiment, path, _plain(value))
    return jax.tree.map(lambda leaf: float(leaf) if type(leaf) is int else leaf, experiment)  # 1 is 1.0


def values(experiment: Experiment) -> dict[str, Any]:
    """Dotted name -> what a table says of it."""
    return {path: cell(value) for path, _, value in paths(experiment)}


def cell(value: Any) -> Any:
    """What a table says of a value: a number, a text or None; a part is named by its class."""
    value = _plain(value)
    if is_node(value):
        return type(value).__name__
    if isinstance(value, tuple):
        return " ".join(str(cell(item)) for item in value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def stack(experiments: Sequence[Experiment]) -> Experiment:
    """Experiments of one structure -> one experiment whose leaves are f32[R] (f64[R] in float64)."""
    return jax.tree.map(lambda *leaves: np.asarray(leaves, precision.dtype(experiments[0])), *experiments)


def _plain(value: Any) -> Any:
    """NumPy's numbers and lists as the experiment's fields have them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | np.ndarray):
        return tuple(_plain(item) for item in value)
    return value


def _in_memory(experiment: Experiment, load: Load) -> Dataset:
    if experiment.data.stream:
        raise JaxaeError("data.stream: a sweep holds its rows on the device; train single runs instead")
    return load(experiment.data)


def _structure_digest(experiment: Experiment, dataset: AnyDataset, code: str | None) -> str:
    """The digest by which a program is known."""
    parts = [(path, value) for path, _, value in paths(experiment) if not isinstance(value, float)]
    structure = [
        [old_records.path(experiment, path), _class_of(value) if is_node(value) else cell(value)]
        for path, value in parts
    ]
    return digest([structure, dataset.hash, *([code] if code else [])])


def _class_of(node: Any) -> str:
    """Return the name of a node's class, without its module, that digests are taken of."""
    name = class_name(type(node))
    return old_records.NAMES_1.get(name, name).rpartition(".")[2]


def digest(parts: list[Any]) -> str:
    """12 hexadecimal digits: among 10,000 runs, two are alike by accident once in five million sweeps."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
