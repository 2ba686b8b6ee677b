"""TFDS and Grain speak and set up logging on their own; here they do not."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps advice (install OpenCV, no dataset_info.json) off the user's screen, and logging as it was."""
    logger = logging.getLogger("absl")
    # absl (and `import grain`) give the root logger a handler, which would change how the user's own look.
    level, handlers = logger.level, list(logging.root.handlers)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        logging.root.handlers[:] = handlers
