"""What the HTTP face needs from the rest of the house; `bootstrap` fills it in."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engage.api.auth import TokenBook, WriteKeys
from engage.api.microbatch import MicroBatcher
from engage.domain.catalog import Catalog
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk
from engage.engine.accept.intake import Intake
from engage.engine.receive import Receiver
from engage.ports.channel import CodeChecker, Rooms
from engage.ports.reading import Reading
from engage.ports.storage import Store


class Now(Protocol):
    """The clock, as far as this face needs it."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        ...


class IdempotencyKeys(Protocol):
    """Remembers for 24 hours what was answered under an `Idempotency-Key`."""

    def claim(self, scope: str, key: str, digest: str, answer: str, now: datetime) -> tuple[str, str]:
        """Return the (digest, answer) that stand under (scope, key), after putting ours there if nothing younger than
        24 hours does. Atomic and durable; two callers at once get the same."""
        ...


class Sendable(Protocol):
    """What must be known of a published template to ask for it by name."""

    @property
    def channels(self) -> Collection[str]:
        """The channels it has content for."""
        ...

    @property
    def required(self) -> Sequence[str]:
        """What it reads as `with.NAME` and cannot do without."""
        ...


def _no_view(_delivery: DeliveryId) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ApiDeps:
    """Everything `create_app` is given."""

    store: Store
    reading: Reading
    intake: Intake
    acceptor: Acceptor
    receiver: Receiver
    batcher: MicroBatcher
    keys: WriteKeys
    tokens: TokenBook
    secrets: Sequence[str] = field(repr=False)
    """For links: the first signs, all verify."""
    clock: Now
    catalog: Callable[[], Catalog]
    """The live definitions: the same object until they change, and cheap to ask for."""
    idempotency: IdempotencyKeys
    desk: ConsentDesk
    members: Callable[[str], Iterable[Sequence[Identifier]]]
    """Everybody in a manual audience, each by all their identifiers."""
    public_url: str
    """Where the world reaches us, without a slash at the end."""
    templates: Callable[[], Mapping[str, Sendable]] | None = None
    """The live templates by name; may ask the database. None: they are only known where messages are rendered."""
    text_problem: Callable[[str], str | None] = lambda _: None
    """What is wrong with a text that is to be sent as it is, None if nothing is."""
    view: Callable[[DeliveryId], str | None] = _no_view
    """The HTML of a delivery as it was sent, for "view in browser"."""
    codes: CodeChecker | None = None
    """Who knows whether a code is right, where somebody makes codes."""
    rooms: Rooms | None = None
    """Who opens rooms to meet in by video, where that is set up."""
    open_docs: bool = False
    """Whether `/docs`, `/openapi.json` and `/metrics` need no token: the demo."""
