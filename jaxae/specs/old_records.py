"""Records of older versions: the names that they use, and the form of a record that digests are taken of.

A record names a class of jaxae by its public name (`jaxae.VAE`), so that a module can move. Records of
format 1 name the module that held the class at that time. Digests (fingerprints of runs, ids of runs and
groups of a sweep) are taken of the names of format 1, or else a renamed class would make every old run
another run: for a class that is older than public names, `NAMES_1` is frozen.
"""

from collections.abc import Mapping
from typing import Any

from jaxae.specs import renamed

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
"""Public name -> name in records of format 1, of the classes that they can hold."""

_PUBLIC = {old: public for public, old in NAMES_1.items()}
_FIELDS = {f"jaxae.{name}": fields for name, fields in renamed.FIELDS.items()}
_FIELDS_1 = {NAMES_1[name]: {new: old for old, new in fields.items()} for name, fields in _FIELDS.items()}


def current(record: Any) -> Any:
    """Return a record of any format, or a part of one, with the names of today."""
    return _with_names(record, _PUBLIC, _FIELDS)


def identity(record: Any) -> Any:
    """Return a record of any format, or a part of one, with the names that digests are taken of."""
    return _with_names(record, NAMES_1, _FIELDS_1)


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
    names = fields.get(cls, {}) if isinstance(cls, str) else {}
    return {names.get(key, key): _with_names(part, classes, fields) for key, part in record.items()}
