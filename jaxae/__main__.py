"""`python -m jaxae`, the same as the command `jaxae`."""

from jaxae.cli import main

main()
