"""Files for one's own eyes: written whole or not at all, readable by their owner alone."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file of another name to write; once the block has ended it is on disk and takes the place of `path`.

    What lay there is replaced, never written through: in a folder of many, somebody may have put a link or an open
    file of theirs under that name.

    Raises:
        OSError: the folder cannot be written.
    """
    # A name that nobody can foresee, made by us and with mode 0600, or not at all.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
