"""Entry point of `python -m jaxae`, the same as the command `jaxae`."""

from jaxae.cli import main

main()
