"""An offset in a value leads back to the character in the file, however the value was written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.project.yaml.nodes import Scalar
from engage.project.yaml.offsets import locate
from engage.project.yaml.reader import read


def _character(text: str, word: str) -> str:
    documents, _ = read(text, "x")
    scalar = documents[0].root.child("a")
    assert isinstance(scalar, Scalar)
    at = locate(scalar, documents[0].lines, str(scalar.data).index(word))
    return documents[0].lines[at.line - 1][at.column - 1 :]


@pytest.mark.parametrize(
    "text",
    [
        "a: one two three\n",
        "a: 'one ''two'' three'\n",
        'a: "one \\"two\\" three"\n',
        'a: "\\u00e9\\x41\\t\\n three"\n',
        "a: >-\n  one\n  two\n\n  three\n",
        "a: |  # a comment\n    one\n      two three\n",
        "a: one\n  two\n  three\n",
        "a: 'one\n  two three'\n",
        'a: "one \\\n  two three"\n',
    ],
)
def test_a_word_is_found_where_it_stands(text: str) -> None:
    assert _character(text, "three").startswith("three")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=5), min_size=1, max_size=8), st.data())
def test_any_word_of_a_folded_text_is_found(words: list[str], data: st.DataObject) -> None:
    text = "a: >-\n" + "".join(f"  {word}\n" for word in words)
    nth = data.draw(st.integers(0, len(words) - 1))
    documents, _ = read(text, "x")
    scalar = documents[0].root.child("a")
    assert isinstance(scalar, Scalar)

    at = locate(scalar, documents[0].lines, len(" ".join(words[:nth])) + (nth > 0))

    assert (at.line, at.column) == (2 + nth, 3)
