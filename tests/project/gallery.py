"""Reads the gallery of wrong files: `##### title`, the file or files, `-----`, and what is told about them."""

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "gallery"


@dataclass(frozen=True, slots=True)
class Piece:
    """One wrong file (or project) and every line that `check` prints for it."""

    title: str
    text: str
    told: list[str]

    def files(self) -> dict[str, str]:
        """Return the files of a project piece by path."""
        parts = (part.partition("\n") for part in self.text.split("=== ")[1:])
        return {path: text for path, _, text in parts}


def pieces(name: str) -> list[Piece]:
    """Return the pieces of one room of the gallery."""
    found = []
    for block in (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("##### ")[1:]:
        title, _, rest = block.partition("\n")
        text, _, told = rest.partition("-----\n")
        found.append(Piece(title, text, told.splitlines()))
    return found


def write(root: Path, files: dict[str, str]) -> Path:
    """Write a project into an empty folder."""
    (root / "journeys").mkdir(exist_ok=True)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root
