"""Export: definitions as the files of a project folder, byte for byte as they were written."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engage.domain.errors import EngageError
from engage.project.kinds import Kind, path_of
from engage.project.plan.plan import Key

MANIFEST = ".engage-export.json"
"""What an export wrote, with digests: so that the next one may take away what is not live any more, and nothing else."""

_files = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class OutsideError(EngageError):
    """A file of an export would lie outside its folder."""


@dataclass(slots=True)
class Exported:
    """What an export did; paths relative to the folder."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Not live any more, but changed by somebody since the last export."""


def export_files(definitions: Mapping[Key, str]) -> dict[str, bytes]:
    """Return the files of a project with these definitions, by path; texts are as `Project.sources` holds them."""
    found: dict[str, bytes] = {}
    for (kind, name), text in definitions.items():
        path = path_of(Kind(kind), name)
        if kind == Kind.TEMPLATE:
            found.update({f"{path}/{file}": content.encode() for file, content in _files(text).items()})
        else:
            found[path] = text.encode()
    return dict(sorted(found.items()))


def write_export(files: Mapping[str, bytes], directory: Path) -> Exported:
    """Write files below a folder, made if need be; the same files give the same bytes.

    Raises:
        OSError: the folder cannot be written.
        OutsideError: a file would lie elsewhere.
    """
    done = Exported()
    known = _manifest(directory)
    for path, content in files.items():
        target = directory / path
        if not _is_below(target, directory):
            raise OutsideError(
                f"{path} leads out of {directory}, by its name or by a link: nothing is written there"
            )
        if target.is_file() and target.read_bytes() == content:
            done.unchanged.append(path)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        done.written.append(path)
    for path, digest in sorted(known.items()):
        target = directory / path
        if path in files or not _is_below(target, directory) or not target.is_file():
            continue
        if _digest(target.read_bytes()) != digest:
            done.left.append(path)
            continue
        target.unlink()
        _prune(target.parent, directory)
        done.removed.append(path)
    directory.mkdir(parents=True, exist_ok=True)
    manifest = {path: _digest(content) for path, content in files.items()}
    (directory / MANIFEST).write_bytes(msgspec.json.format(_encode(manifest), indent=1) + b"\n")
    return done


def _manifest(directory: Path) -> dict[str, str]:
    try:
        return _files((directory / MANIFEST).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}


def _is_below(target: Path, directory: Path) -> bool:
    return target.resolve().is_relative_to(directory.resolve())


def _prune(folder: Path, directory: Path) -> None:
    """Remove folders that are empty now, up to the root of the export."""
    while folder != directory and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
