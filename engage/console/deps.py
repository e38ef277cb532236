"""What the console needs from the rest of the house; whoever mounts it fills it in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engage.domain.access import Viewer
from engage.domain.catalog import Catalog
from engage.ports.reading import Reading


class Now(Protocol):
    """The clock, as far as this face needs it."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        ...


class Doors(Protocol):
    """Who may come in. May ask the database."""

    def by_token(self, token: str) -> Viewer | None:
        """Return who holds this token, if it lets them look."""
        ...

    def by_password(self, email: str, password: str, now: datetime) -> Viewer | None:
        """Return who has this password, unless too many wrong ones came for the address. Takes a while, and much memory."""
        ...

    def leave(self, session: bytes, until: datetime) -> None:
        """End a session that would have lasted until then."""
        ...

    def still(self, holder: str, mark: str, session: bytes) -> Viewer | None:
        """Return the holder of a session as they are now, None for nobody any more or if it was left."""
        ...


@dataclass(frozen=True, kw_only=True)
class ConsoleDeps:
    """Everything `create_console` is given."""

    reading: Reading
    catalog: Callable[[], Catalog]
    """The live definitions: the same object until they change, and cheap to ask for."""
    clock: Now
    doors: Doors
    secrets: Sequence[str] = field(repr=False)
    """For sessions: the first signs, all verify."""
    public: bool = False
    """No login: the demo, on one's own machine."""
    secure: bool = False
    """Whether the console is reached by HTTPS, so that its cookie may insist on that."""
