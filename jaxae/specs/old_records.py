"""Records of older versions: the names in them, and the form of a record from which digests are computed.

A record names a class of jaxae by its public name (`jaxae.VAE`), so that a module can move. Records of
format 1 name the module that held the class at that time. Digests (fingerprints of runs, ids of runs and
groups of a sweep) are computed from the names of format 1. Otherwise a renamed class would make every old run
another run. For classes that are older than public names, `NAMES_1` is frozen: never edit an entry.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jaxae.specs import renamed
from jaxae.specs.pytree import get, is_node

NAMES_1 = {
    f"jaxae.{renamed.PUBLIC.get(name, name)}": f"jaxae.{module}.{name}"
    for module, names in {
        "autoencoders.adversarial": "AdversarialAE",
        "autoencoders.beta_tc": "BetaTCVAE",
        "autoencoders.contractive": "ContractiveAE Hessian",
        "autoencoders.corruptions": "Dropout GaussianNoise Masking SaltAndPepper",
        "autoencoders.denoising": "DenoisingAE Emphasis",
        "autoencoders.factor": "FactorVAE",
        "autoencoders.iwae": "IWAE",
        "autoencoders.jump": "JumpReLUAE",
        "autoencoders.matching": "InfoVAE WAE",
        "autoencoders.perceptual": "LPIPS RotationFeatures",
        "autoencoders.plain": "AE",
        "autoencoders.posteriors": "DiagonalGaussian FullGaussian PlanarFlow",
        "autoencoders.priors": "MixturePrior StandardNormal VampPrior",
        "autoencoders.quantisers": "FSQ GradientCodebook MovingCodebook",
        "autoencoders.sparse": "KLSparseAE L1SparseAE",
        "autoencoders.stacked": "Stacked",
        "autoencoders.two_layer": "TwoLayerVAE",
        "autoencoders.vae": "VAE",
        "autoencoders.vq_gan": "VQGAN",
        "autoencoders.vq_vae": "VQVAE",
        "autoencoders.winners": "TopKAE WinnerTakeAllAE",
        "data.spec": "Data",
        "experiment": "EarlyStopping Experiment",
        "likelihoods.discrete": "Bernoulli Categorical DiscretisedLogistic",
        "likelihoods.real": "Gaussian LearnedGaussian PixelGaussian SquaredError",
        "nets.conv": "ConvDecoder ConvEncoder",
        "nets.grid": "GridDecoder GridEncoder",
        "nets.mlp": "MLP",
        "nets.patches": "PatchDiscriminator",
        "nets.transformer": "Transformer",
        "optimizers": "Adagrad Adam AdamW Adamax Lion RMSprop SGD",
        "priors.conditions": "Labels Text",
        "priors.sampling": "Sampling",
        "priors.token_prior": "TokenPrior",
        "schedules": "Constant Cosine Linear Piecewise Step",
    }.items()
    for name in names.split()
}
"""Public name -> name in records of format 1, of the classes that such records can hold."""

# All tables below follow from NAMES_1 and `renamed`: a new name is written down in one place only.
_PUBLIC = {old: public for public, old in NAMES_1.items()} | {
    f"jaxae.{old}": f"jaxae.{new}" for old, new in renamed.PUBLIC.items()
}
_FIELDS = {f"jaxae.{name}": fields for name, fields in renamed.FIELDS.items()}
_OLD_FIELDS = {name: {new: old for old, new in fields.items()} for name, fields in renamed.FIELDS.items()}
_FIELDS_1 = {NAMES_1[f"jaxae.{name}"]: fields for name, fields in _OLD_FIELDS.items()}
_CLASSES = {old: new.rpartition(".")[2] for old, new in renamed.PUBLIC.items()}  # old class -> current class
NONE: Mapping[str, str] = MappingProxyType({})
ADDED: dict[str, dict[str, Any]] = {
    "jaxae.DataSpec": {"columns": [], "label": None, "resize": None, "grey": False},
    "jaxae.Experiment": {"steps": None},
}
"""Public name -> field that is newer than the class -> default; digests do not contain a default of these."""


def current(record: Any) -> Any:
    """Return a record of any format, or a part of one, with the current names and fields."""
    return _with_added(_with_names(record, _PUBLIC, _FIELDS))


def identity(record: Any) -> Any:
    """Return a record of any format, or a part of one, with the names from which digests are computed."""
    # By way of the current names: a record of format 2 with an old public name then gets the same digest.
    return _with_names(_without_added(current(record)), NAMES_1, _FIELDS_1)


def is_added(experiment: Any, name: str) -> bool:
    """Return whether a field of an experiment is in `ADDED` and has its default.

    Args:
        experiment: The experiment.
        name: The dotted name of the field.

    Returns:
        True if digests do not contain the field.
    """
    parent, _, field = name.rpartition(".")
    node = get(experiment, parent) if parent else experiment
    defaults = ADDED.get(f"jaxae.{type(node).__name__}", {})
    value = getattr(node, field) if field in defaults else None
    return field in defaults and (list(value) if isinstance(value, tuple) else value) == defaults[field]


def path(experiment: Any, name: str) -> str:
    """Return the dotted name of an experiment's field in the text from which digests are computed.

    Args:
        experiment: The experiment.
        name: The current dotted name.

    Returns:
        The dotted name of format 1.
    """
    node, parts = experiment, []
    for part in name.split("."):
        parts.append(_OLD_FIELDS.get(type(node).__name__, {}).get(part, part) if is_node(node) else part)
        node = node[int(part)] if isinstance(node, tuple) else getattr(node, part)
    return ".".join(parts)


def row_as_today(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a sweep's table, of any version, with the current column names."""
    # Rows of this version have the column "model" instead.
    if "autoencoder" not in row:
        return row
    terms = renamed.TERMS.get(row["autoencoder"], {})
    fields = renamed.FIELDS.get(row["autoencoder"], {})
    names = {name: _column_as_today(name, fields, terms) for name in row}
    return {names[name]: _CLASSES.get(str(value), value) for name, value in row.items()}


def sweep_as_today(record: dict[str, Any]) -> dict[str, Any]:
    """Return the content of sweep.json, of any format, with the current names in its commands' options."""
    if record.get("format") != 1:
        return record
    # A copy: the caller keeps the record as it was read.
    options = dict(record["options"])
    if options.get("baseline"):
        options["baseline"] = {_column_as_today(name): value for name, value in options["baseline"].items()}
    return {**record, "swept": [_column_as_today(name) for name in record["swept"]], "options": options}


def _column_as_today(name: str, fields: Mapping[str, str] = NONE, terms: Mapping[str, str] = NONE) -> str:
    """Return the current name for a column: `autoencoder.beta`, or `test.deception` of a term."""
    head, dot, rest = name.partition(".")
    if head == "autoencoder":
        field, more, inner = rest.partition(".")
        return f"model{dot}{fields.get(field, field)}{more}{inner}"
    return f"{head}{dot}{terms.get(rest, rest)}"


def _with_added(record: Any) -> Any:
    """Return a record with current names, with the defaults of the fields of `ADDED` that it lacks."""
    if isinstance(record, list):
        return [_with_added(part) for part in record]
    if not isinstance(record, dict):
        return record
    return {key: _with_added(part) for key, part in record.items()} | {
        key: default for key, default in ADDED.get(str(record.get("class")), {}).items() if key not in record
    }


def _without_added(record: Any) -> Any:
    """Return a record with current names, without the fields of `ADDED` that have their default."""
    if isinstance(record, list):
        return [_without_added(part) for part in record]
    if not isinstance(record, dict):
        return record
    defaults = ADDED.get(str(record.get("class")), {})
    missing = object()
    return {key: _without_added(part) for key, part in record.items() if part != defaults.get(key, missing)}


def _with_names(record: Any, classes: Mapping[str, str], fields: Mapping[str, Mapping[str, str]]) -> Any:
    """Return the record with classes and their fields renamed at every depth; unknown names stay."""
    if isinstance(record, list):
        return [_with_names(part, classes, fields) for part in record]
    if not isinstance(record, dict):
        return record
    cls = record.get("class")
    if isinstance(cls, str):
        cls = classes.get(cls, cls)
        record = {**record, "class": cls}
    # Fields are keyed by the class's new name, since the class was renamed first.
    names = fields.get(cls, {}) if isinstance(cls, str) else {}
    return {names.get(key, key): _with_names(part, classes, fields) for key, part in record.items()}
