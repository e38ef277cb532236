"""SendGrid's suppression lists, and what of a sending they drop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engage.sandbox.now import unix_now

#: Lists under `/v3/suppression/{name}`; the drop reason each one leads to, None where it only informs.
LISTS: dict[str, str | None] = {
    "bounces": "Bounced Address",
    "spam_reports": "Spam Reporting Address",
    "invalid_emails": "Invalid",
    "blocks": None,
}


#: What an entry of each list says beside address and time.
SHOWN = {
    "bounces": ("reason", "status"),
    "blocks": ("reason", "status"),
    "invalid_emails": ("reason",),
    "spam_reports": ("ip",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """An address on a list, since when (Unix seconds) and why."""

    email: str
    created: int
    reason: str = ""
    status: str = ""

    def view(self, name: str) -> dict[str, Any]:
        """Return the entry as the list of that name shows it."""
        shown: dict[str, Any] = {"created": self.created, "email": self.email}
        return shown | {field: getattr(self, field) for field in SHOWN.get(name, ())}

    @property
    def ip(self) -> str:
        """Where the mail came from."""
        return "192.0.2.7"


@dataclass(slots=True)
class Group:
    """An unsubscribe group."""

    id: int
    name: str
    description: str
    emails: dict[str, int] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "is_default": False,
        }


class Suppressions:
    """All lists of one account; addresses are compared without regard to case."""

    def __init__(self) -> None:
        self.lists: dict[str, dict[str, Suppressed]] = {name: {} for name in LISTS}
        self.unsubscribes: dict[str, Suppressed] = {}
        self.groups: dict[int, Group] = {}

    def clear(self) -> None:
        for entries in self.lists.values():
            entries.clear()
        self.unsubscribes.clear()
        self.groups.clear()

    def add(self, name: str, email: str, reason: str = "", status: str = "") -> None:
        """Put an address on one of `LISTS`."""
        self.lists[name][email.lower()] = Suppressed(
            email=email, created=int(unix_now()), reason=reason, status=status
        )

    def put(self, name: str, email: str) -> None:
        """Put an address on any list: one of `LISTS`, `unsubscribes`, or `group:1`.

        Raises:
            ValueError: there is no such list.
        """
        group = self.groups.get(int(name.removeprefix("group:"))) if name.startswith("group:") else None
        if group is not None:
            group.emails[email.lower()] = int(unix_now())
        elif name == "unsubscribes":
            self.unsubscribe(email)
        elif name in LISTS:
            self.add(name, email)
        else:
            raise ValueError(
                f"no list is called {name!r}; one of {', '.join([*LISTS, 'unsubscribes'])}, group:ID"
            )

    def unsubscribe(self, email: str) -> None:
        self.unsubscribes[email.lower()] = Suppressed(email=email, created=int(unix_now()))

    def new_group(self, name: str, description: str) -> Group:
        group = Group(id=len(self.groups) + 1, name=name, description=description)
        self.groups[group.id] = group
        return group

    def drop_reason(self, email: str, group_id: int | None, bypass: frozenset[str]) -> str | None:
        """Return why a mail to this address is dropped, None if it may go; `bypass` names the lists not asked."""
        address = email.lower()
        for name, reason in LISTS.items():
            if reason is not None and name not in bypass and address in self.lists[name]:
                return reason
        if "unsubscribes" in bypass:
            return None
        group = self.groups.get(group_id) if group_id is not None else None
        if address in self.unsubscribes or (group is not None and address in group.emails):
            return "Unsubscribed Address"
        return None
