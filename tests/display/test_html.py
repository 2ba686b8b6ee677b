"""Texts of the user's cannot become HTML."""

import pytest

from jaxae.display import html

BAD = "<script>alert('x')</script>"


@pytest.mark.parametrize(
    "made",
    [
        html.table([[BAD]], [BAD]),
        html.card(BAD),
        html.folded(BAD, ""),
        html.preformatted(BAD),
    ],
)
def test_everything_is_escaped(made: str) -> None:
    assert "<script" not in made and "&lt;script&gt;" in made


def test_a_table_has_its_cells_in_order() -> None:
    made = html.table([[1, 2], [3, 4]], ["a", "b"])
    assert [made.index(f">{cell}</t") for cell in ("a", "b", 1, 2, 3, 4)] == sorted(
        made.index(f">{cell}</t") for cell in ("a", "b", 1, 2, 3, 4)
    )
    assert made.count("<tr>") == 3
