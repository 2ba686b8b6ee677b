"""The notebook of the tutorials runs, shows progress, and prints little and no warning."""

import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorials" / "notebook.ipynb"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def text_of(output: Any) -> str:
    """An output as text, as a person without a browser would see it."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return ANSI.sub("", "\n".join(output.traceback))
    return output.data["text/plain"]


@pytest.fixture(scope="module")
def executed() -> Any:
    nbformat, nbclient = (pytest.importorskip(name) for name in ("nbformat", "nbclient"))
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JAXAE_PROGRESS")
        nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    return notebook


def outputs(notebook: Any, source: str) -> list[Any]:
    """The outputs of the first cell with this text in its source."""
    return next(cell for cell in notebook.cells if source in cell.source and "outputs" in cell).outputs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the Jupyter client in this process, not of the notebook
def test_the_notebook_prints_little_and_no_warning(executed: Any) -> None:
    shown = [output for cell in executed.cells for output in cell.get("outputs", [])]
    texts = [text_of(output) for output in shown]
    assert sum(text.count("\n") + 1 for text in texts) < 200
    assert not [text for text in texts if "warning" in text.lower() or "Traceback" in text]
    assert not [output for output in shown if output.output_type == "stream"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "source, end", [("jaxae.fit(experiment, seed", "epoch 60/60"), ("sweep(", "runs 9/9")]
)
def test_progress_is_one_output_with_a_bar_at_its_end(source: str, end: str, executed: Any) -> None:
    bar = outputs(executed, source)[0]
    assert '<progress max="1" value="1.000"' in bar.data["text/html"] and text_of(bar).startswith(end)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_results_are_tables_and_a_mistake_is_one_line(executed: Any) -> None:
    table = outputs(executed, "jaxae.measure(")[-1]
    assert "<table>" in table.data["text/html"] and "<script" not in table.data["text/html"]
    (mistake,) = outputs(executed, "batch_size=5000")
    said = text_of(mistake)
    assert said.startswith("JaxaeError: batch_size: got 5000, but there are only 1297 training rows")
    assert "\n" not in said and "Traceback" not in said
