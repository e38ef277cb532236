"""Definitions in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import msgspec

from engage.ports.storage import StorageRefusedError, StoredDefinition
from engage.storage.memory.rows import LiveDefinition, ProjectRow
from engage.storage.memory.work import Work


class MemoryDefinitions:
    """Published definitions."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def epoch(self) -> int:
        """Return the epoch."""
        return self._project().epoch

    def folding(self) -> bool:
        """Return whether every process that may work here keeps folds: there is only this one."""
        return True

    def hold(self) -> None:
        """Keep what is live from changing: nothing to wait for where one hand publishes and decides."""

    def live(self) -> list[StoredDefinition]:
        """Return the newest version of everything that is not removed, by kind and name."""
        rows = [row.definition for row in self._work.definitions.all() if row.live]
        return sorted(rows, key=lambda row: (row.kind, row.name))

    def versions(self, wanted: Collection[tuple[str, int]]) -> list[StoredDefinition]:
        """Return older versions of journeys by (name, version)."""
        get = self._work.definitions.get
        rows = [get(("journey", name, version)) for name, version in sorted(set(wanted))]
        return [row.definition for row in rows if row is not None]

    def last_versions(self) -> dict[tuple[str, str], int]:
        """Return the highest version ever published by (kind, name), removed ones included."""
        last: dict[tuple[str, str], int] = {}
        for row in self._work.definitions.all():
            key = (row.definition.kind, row.definition.name)
            last[key] = max(last.get(key, 0), row.definition.version)
        return last

    def versions_inside(self) -> set[tuple[str, int]]:
        """Return the (journey, version) pairs that have active runs or open goals."""
        rows = self._work.runs.all()
        return {(row.journey, row.version) for row in rows if row.active or row.goal_until is not None}

    def publish(
        self, definitions: Sequence[StoredDefinition], removed: Sequence[tuple[str, str]] = ()
    ) -> int:
        """Store new versions, take removed ones (kind, name) out of `live`, and return the new epoch."""
        work, epoch = self._work, self._advance()
        for kind, name in [*removed, *((new.kind, new.name) for new in definitions)]:
            for row in work.definitions.where("name", (kind, name)):
                if row.live:
                    self._put(msgspec.structs.replace(row, live=False))
        for new in definitions:
            there = work.definitions.get((new.kind, new.name, new.version))
            if there is not None and there.definition.checksum != new.checksum:
                raise StorageRefusedError(f"{new.kind} {new.name} already has another version {new.version}")
            self._put(LiveDefinition(replace(new, epoch=epoch), True))
        return epoch

    def set_state(self, kind: str, name: str, state: str) -> int:
        """Change the state of a live definition and return the new epoch."""
        epoch = self._advance()
        for row in self._work.definitions.where("name", (kind, name)):
            if row.live:
                self._put(LiveDefinition(replace(row.definition, state=state, epoch=epoch), True))
        return epoch

    def stopped_channels(self) -> frozenset[str]:
        """Return the channels that an operator stopped (`*`: all)."""
        return self._project().stopped

    def stop_sending(self, channel: str, stopped: bool) -> int:
        """Stop or resume a channel (`*`: all) and return the new epoch."""
        epoch = self._advance()
        channels = self._project().stopped
        channels = channels | {channel} if stopped else channels - {channel}
        self._work.project.put(None, ProjectRow(epoch, channels))
        return epoch

    def _put(self, row: LiveDefinition) -> None:
        definition = row.definition
        self._work.definitions.put((definition.kind, definition.name, definition.version), row)

    def _project(self) -> ProjectRow:
        return self._work.project.get(None) or ProjectRow()

    def _advance(self) -> int:
        self._work.lock(("project",))
        project = self._project()
        self._work.project.put(None, ProjectRow(project.epoch + 1, project.stopped))
        return project.epoch + 1
