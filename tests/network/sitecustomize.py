"""Python imports a module of this name at its start, if it is in `PYTHONPATH`."""

import only_this_machine  # noqa: F401
