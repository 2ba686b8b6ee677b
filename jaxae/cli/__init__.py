"""The command line: `jaxae train|resume|evaluate|show|data`. Errors are one line and exit code 2."""

from jaxae.cli.main import main as main
