"""Programs in the format of `jax.export`: StableHLO with the weights inside, for any number of rows."""

from collections.abc import Sequence
from typing import Any

import jax

from jaxae.errors import JaxaeError
from jaxae.exports.programs import Program, by_row

ENDING = ".jaxexport"
PLATFORMS = ("cpu", "cuda", "tpu")


def check() -> None:
    """Raise JaxaeError if the package that serialises programs is missing."""
    try:
        import flatbuffers  # noqa: F401  jax.export imports it without declaring it (jax 0.10 and 0.12)
    except ImportError:
        raise JaxaeError(
            "export: flatbuffers is not installed; pip install flatbuffers installs it"
        ) from None


def serialize(program: Program, platforms: Sequence[str] = PLATFORMS) -> bytes:
    """Return a program as bytes that `jax.export.deserialize` reads.

    Args:
        program: The program.
        platforms: The platforms that it is compiled for.

    Returns:
        The bytes.

    Raises:
        JaxaeError: If jax cannot export it, for example because it calls back into Python.
    """
    from jax import export

    (rows,) = export.symbolic_shape("rows")
    call: Any = by_row(program.call) if program.is_by_row else program.call
    # keep_unused: without it, an input whose length alone counts could be dropped with the number of rows.
    jitted = jax.jit(call, keep_unused=True)
    try:
        exported = export.export(jitted, platforms=platforms)(*program.abstract(rows))
        # Order 0: no gradients of the program, which would multiply its size.
        return bytes(exported.serialize(vjp_order=0))
    except Exception as error:
        # The failures of user-defined nets have many types: a shape that must be a number, a callback, ...
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise JaxaeError(
            f"{program.name}: jax.export cannot export it: {reason}; --format safetensors exports the weights"
        ) from None
