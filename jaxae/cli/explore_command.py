"""`jaxae explore RUN`: a page on this machine in which the decoder of a run is live."""

import dataclasses
import webbrowser
from typing import Annotated

from annotated_types import Ge, Le

from jaxae.cli import inputs, jax_setup, options
from jaxae.cli.inputs import Elsewhere
from jaxae.explorer import server
from jaxae.runs import opening


@dataclasses.dataclass(kw_only=True)
class Explore:
    """Serve a page in which the decoder of a run is live: sliders, a map of codes, paths, labels, tokens.

    The page is for browsers on this machine only (127.0.0.1). RUN may be SWEEP:ID or SWEEP:best, or a prior
    over tokens. Ctrl-C ends it. It needs the extra `explore`: pip install 'jaxae[explore]'.
    """

    port: Annotated[int, Ge(0), Le(65_535)] = 8765
    """Port on this machine; 0 takes a free one."""
    open: bool = True
    """Show the page in the browser."""
    config: str | None = None
    """Config that defines your own classes, if the run uses any. It is executed."""


def main(arguments: list[str]) -> int:
    """Run `jaxae explore` and return the exit code."""
    word, rest = inputs.first_word("explore RUN", arguments, Explore, Elsewhere())
    command, place = options.parse(Explore, rest, f"jaxae explore {word}", Elsewhere())
    inputs.learn_classes(command.config)
    jax_setup.keep_compiled_programs()
    # Before the run is loaded, which takes seconds.
    server.check()
    folder = inputs.run_folder(word)
    result = opening.load(folder, data_name=place.data.name, data_folder=place.data.folder)
    # After the checks: NiceGUI takes seconds to import.
    from jaxae.explorer import page
    from jaxae.explorer.choice import space_for

    space = space_for(result)

    def started(address: str) -> None:
        print(f"explorer    {address}  (Ctrl-C ends it)", flush=True)
        if command.open:
            webbrowser.open(address)

    run = result.run
    summary = f"{type(run.experiment.model).__name__}; {run.dataset.description}; seed {run.seed}"
    build = page.builder(space, folder.resolve().name, summary)
    server.serve(build, f"{folder.resolve().name} - jaxae", command.port, started)
    return 0
