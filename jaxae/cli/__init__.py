"""The command line: `jaxae train|sweep|resume|evaluate|sample|export|show|data`.

A mistake in the input is one line on standard error and exit code 2.
"""

from jaxae.cli.main import main as main
