"""Import the library of a tracker, which is an optional dependency."""

import importlib
from typing import Any

from jaxae.errors import JaxaeError


def import_extra(name: str) -> Any:
    """Return an optional module.

    Args:
        name: Name of the module.

    Returns:
        The module.

    Raises:
        JaxaeError: If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise JaxaeError(
            f"trackers: {error.name} is not installed; pip install 'jaxae[trackers]' installs it"
        ) from None
