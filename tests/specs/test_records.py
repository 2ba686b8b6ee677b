import json
import math
import subprocess
import sys

import pytest
from flax import linen as nn

import jaxae
from jaxae.errors import JaxaeError
from jaxae.nets import MLP
from jaxae.runs.experiment import EarlyStopping, Experiment
from jaxae.specs.pytree import paths, replace, spec
from jaxae.specs.records import from_record, to_record, validate

RICH = Experiment(
    model=jaxae.VAE(
        encoder=MLP(widths=(3, 4), activation="tanh"),
        likelihood=jaxae.Gaussian(std=0.3),
        beta=jaxae.schedules.Linear(start=0.1, end=2.0, steps=50.0),
    ),
    optimizer=jaxae.SGD(learning_rate=jaxae.schedules.Cosine(start=0.1, end=0.01, steps=100.0, warmup=5.0)),
    clip_norm=1.0,
    early_stopping=EarlyStopping(patience=3),
)


@spec
class Mine:
    strength: float = 1.0


def through_json(experiment: Experiment) -> Experiment:
    return from_record(json.loads(json.dumps(to_record(experiment))), Experiment)


@pytest.mark.parametrize("experiment", [Experiment(), RICH, Experiment(model=jaxae.AE())])
def test_a_record_reads_back_equal(experiment: Experiment) -> None:
    read = through_json(experiment)
    assert read == experiment and hash(read) == hash(experiment)
    assert to_record(read)["model"]["class"] in ("jaxae.VAE", "jaxae.AE")


def test_reading_a_record_executes_nothing() -> None:
    """A record that names a class of a module that is not imported is refused, not imported."""
    code = (
        "import sys, jaxae.specs.records as r, jaxae.runs.experiment as e\n"
        "record = r.to_record(e.Experiment())\n"
        "record['model']['class'] = 'antigravity.VAE'\n"
        "try:\n    r.from_record(record, e.Experiment)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
        "print('antigravity' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "JaxaeError model: unknown class antigravity.VAE" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "name", ["os.system", "jaxae.specs.records.from_record", "jaxae.nope.VAE", "VAE", "", "jaxae..x", 3]
)
def test_only_specs_and_nets_are_classes(name: object) -> None:
    record = to_record(Experiment())
    record["model"]["class"] = name
    with pytest.raises(JaxaeError, match="model: (unknown class|the key 'class')"):
        from_record(record, Experiment)


def test_a_class_must_fit_where_it_stands() -> None:
    record = to_record(Experiment())
    record["optimizer"] = to_record(jaxae.VAE())
    with pytest.raises(JaxaeError, match="optimizer: got VAE, expected Optimizer"):
        from_record(record, Experiment)


def test_unknown_keys_name_the_nearest() -> None:
    record = to_record(Experiment())
    record["model"]["betta"] = 2.0
    with pytest.raises(JaxaeError, match="model.betta: unknown key of VAE; did you mean 'beta'"):
        from_record(record, Experiment)


@pytest.mark.parametrize(
    "path, value, reason",
    [
        ("batch_size", 0, "greater than 0"),
        ("batch_size", 3.7, "integer"),
        ("batch_size", True, "integer"),
        ("batch_size", "3", "integer"),
        ("epochs", -1, "greater than 0"),
        ("model.beta", -0.5, "greater than or equal to 0"),
        ("model.beta", math.nan, "finite"),
        ("model.beta", math.inf, "finite"),
        ("model.beta", "big", "number"),
        ("model.encoder.widths", (8, 0), "greater than 0"),
        ("model.encoder.activation", "tanhh", "'tanh'"),
        ("optimizer.b1", 1.0, "less than 1"),
        ("ema_decay", 1.0, "less than 1"),
        ("data.binarize", "dynamik", "'dynamic'"),
        ("compute_dtype", "float16", "'bfloat16'"),
    ],
)
def test_values_out_of_range_are_named(path: str, value: object, reason: str) -> None:
    broken = replace(Experiment(), path, value)
    with pytest.raises(JaxaeError, match=reason) as error:
        validate(broken, Experiment)
    assert str(error.value).startswith(path) and "\n" not in str(error.value)


def test_a_field_without_a_default_must_be_there() -> None:
    record = to_record(RICH)
    del record["model"]["beta"]["steps"]
    with pytest.raises(JaxaeError, match=r"^model.beta.steps: is missing, Linear has no"):
        from_record(record, Experiment)


def test_json_is_validated_as_strictly() -> None:
    record = to_record(Experiment())
    record["batch_size"] = 3.5
    with pytest.raises(JaxaeError, match="batch_size: got 3.5"):
        from_record(record, Experiment)


def test_fields_that_do_not_fit_together() -> None:
    broken = replace(Experiment(early_stopping=EarlyStopping()), "data.num_validation", 0)
    with pytest.raises(JaxaeError, match="early_stopping needs validation rows"):
        validate(broken, Experiment)


def test_a_spec_or_net_of_ones_own_needs_only_to_be_imported() -> None:
    class Net(nn.Module):
        width: int = 3

    globals()["Net"] = Net
    Net.__qualname__ = "Net"
    experiment = replace(Experiment(), "model.encoder", Net(width=5))
    assert through_json(experiment).model.encoder == Net(width=5)  # type: ignore[attr-defined]
    assert from_record(to_record(Mine(strength=2.0)), Mine) == Mine(strength=2.0)


def test_an_int_where_a_float_belongs_is_a_float_after_json() -> None:
    experiment = replace(Experiment(), "model.beta", 2)
    validate(experiment, Experiment)
    assert [type(value) for path, _, value in paths(through_json(experiment)) if path == "model.beta"] == [
        float
    ]


def test_a_tuple_of_specs_reads_back_equal_and_is_validated_part_by_part() -> None:
    stack = jaxae.Stacked(stages=(jaxae.DenoisingAE(latent_dim=5), jaxae.TopKAE(latent_dim=2, k=1)))
    record = json.loads(json.dumps(to_record(stack)))
    assert from_record(record, jaxae.Autoencoder) == stack
    record["stages"][1]["k"] = 3
    with pytest.raises(JaxaeError, match=r"stages\.1: k: got 3, but latent_dim is 2"):
        from_record(record, jaxae.Autoencoder)
    record["stages"][1] |= {"k": 1, "latent_dim": -2}
    with pytest.raises(JaxaeError, match=r"stages\.1\.latent_dim: got -2"):
        from_record(record, jaxae.Autoencoder)
    with pytest.raises(JaxaeError, match=r"stages\.0\.corruption\.rate: got 2\.0"):
        validate(replace(stack, "stages.0.corruption.rate", 2.0))


@pytest.mark.parametrize("name", ["flax.linen.Dense", "flax.linen.Module", "flax.linen.Conv"])
def test_a_layer_of_flax_in_a_record_is_one_line(name: str) -> None:
    """Its fields have types that no record can hold."""
    record = to_record(jaxae.AE())
    record["encoder"] = {"class": name, "features": 3}
    with pytest.raises(JaxaeError, match=r"encoder.*(a record cannot hold a field|unknown|missing)") as error:
        validate(from_record(record, jaxae.AE))
    assert "\n" not in str(error.value)
