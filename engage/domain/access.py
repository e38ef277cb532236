"""Access: what a token may do, and what a person who works here may do."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a token may do."""

    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    CONSENT_WRITE = "consent:write"
    JOURNEYS_READ = "journeys:read"
    JOURNEYS_START = "journeys:start"
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"
    AUDIENCES_READ = "audiences:read"
    AUDIENCES_WRITE = "audiences:write"
    ADMIN = "admin"


class Role(StrEnum):
    """What somebody who works here may do, the least first: each may do what those before it may."""

    VIEWER = "viewer"
    """Looks."""
    EDITOR = "editor"
    """Also changes audiences and consent, starts journeys and sends single messages."""
    PUBLISHER = "publisher"
    """Also publishes, pauses and stops."""
    ADMIN = "admin"
    """Also erases people, and gives access to others."""

    def includes(self, other: "Role") -> bool:
        """Return whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


_READING = frozenset({Scope.PROFILES_READ, Scope.JOURNEYS_READ, Scope.DELIVERIES_READ, Scope.AUDIENCES_READ})
_EDITING = _READING | {
    Scope.CONSENT_WRITE,
    Scope.JOURNEYS_START,
    Scope.DELIVERIES_WRITE,
    Scope.AUDIENCES_WRITE,
}
SCOPES_OF: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: _READING,
    Role.EDITOR: _EDITING,
    # Publishing is no route of the API: it is a command. Pausing and stopping by API ask for `admin`.
    Role.PUBLISHER: _EDITING,
    Role.ADMIN: frozenset({Scope.ADMIN}),
}
"""What a token may do that is made for a role."""


def role_of(scopes: frozenset[Scope]) -> Role | None:
    """Return the role in which the holder of such a token comes to the console; None: they may not look."""
    if Scope.ADMIN in scopes:
        return Role.ADMIN
    return Role.VIEWER if Scope.PROFILES_READ in scopes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who holds a token, and what it allows."""

    name: str
    """Stands in audit lines; not the token."""
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Return whether this caller may do what asks for `scope`; an admin may do everything."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who is in the console: `user:` and an address, or `token:` and its id."""

    name: str
    role: Role
    mark: str = ""
    """Changes with the password, so that a session ends with it."""
