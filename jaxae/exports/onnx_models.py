"""Programs as ONNX models, converted by jax2onnx and compared with the model before they are written.

jax2onnx 0.17 requires an orbax-checkpoint older than the one of jaxae, but does not import it. So it is
installed without its requirements, and no extra of jaxae can name it.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import export

from jaxae.errors import JaxaeError
from jaxae.exports.programs import ROWS, Program, zeros

ENDING = ".onnx"
TOLERANCE = 1e-5
ROWS_COMPARED = 5
INSTALL = "pip install 'jaxae[onnx]' && pip install --no-deps jax2onnx"
WAY_OUT = "--format stablehlo exports it"


def check() -> None:
    """Raise JaxaeError if the converter or the runtime is missing."""
    _import_converter()


def convert(program: Program) -> bytes:
    """Return a program as an ONNX model for any number of rows.

    Args:
        program: The program.

    Returns:
        The model as bytes.

    Raises:
        JaxaeError: If it is a sampler, if jax2onnx does not cover the net, or if the values differ.
    """
    if not program.is_by_row:
        raise JaxaeError(f"{program.name}: ONNX has no jax random numbers; decode your own draws of z")
    to_onnx, runtime = _import_converter()
    (rows,) = export.symbolic_shape(ROWS)
    try:
        # jax2onnx 0.17 adds biases of shape [C] to images, which this setting of jax may forbid.
        with _quiet(), jax.numpy_rank_promotion("allow"):
            # Batches, not one row under vmap: jax2onnx 0.17 has no batching rules for linen's layers.
            model = to_onnx(
                program.call,
                inputs=program.abstract(rows),  # one symbol for all inputs
                model_name=program.name,
                input_names=[port.name for port in program.inputs],
                output_names=[program.name],
                enable_double_precision="float64" in {port.dtype for port in program.inputs},
            ).SerializeToString()
            session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
            _compare(program, session)
    except JaxaeError:
        raise
    except Exception as error:
        # jax2onnx and onnxruntime raise errors of many types for an operation that they do not cover.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise JaxaeError(f"{program.name}: jax2onnx does not cover this net ({reason}); {WAY_OUT}") from None
    return bytes(model)


def _compare(program: Program, session: Any) -> None:
    """Raise JaxaeError if ONNX Runtime and jax give different values for the same rows."""
    random = np.random.default_rng(0)
    given = [
        np.asarray(random.random(each.shape) if each.dtype.kind == "f" else each, each.dtype)
        for each in zeros(program, ROWS_COMPARED)
    ]
    names = [each.name for each in session.get_inputs()]
    feed = {port.name: rows for port, rows in zip(program.inputs, given, strict=True) if port.name in names}
    found, expected = session.run(None, feed)[0], np.asarray(program.call(*given))
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise JaxaeError(f"{program.name}: ONNX Runtime gives other values than the model; {WAY_OUT}")


def _import_converter() -> tuple[Any, Any]:
    """Return (`to_onnx`, onnxruntime). Raises: JaxaeError if one is missing."""
    try:
        with _quiet():
            import onnxruntime
            from jax2onnx import to_onnx
    except ImportError as error:
        raise JaxaeError(f"--format onnx: {error.name} is not installed; {INSTALL} brings it") from None
    return to_onnx, onnxruntime


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence jax2onnx, which logs a traceback for each optional library that is not installed."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
