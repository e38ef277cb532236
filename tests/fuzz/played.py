"""Targets: the files that `engage simulate` plays."""

import json
from functools import cache

from engage.domain.audience.audience import Audience
from engage.domain.journey.journey import Journey
from engage.domain.project_settings import ProjectSettings
from engage.project.load import Project
from engage.testing.simulation import Script, UnplayableError, read_calls, read_people, simulate
from tests.fuzz import seeds
from tests.fuzz.target import Target, worded

BETWEEN = b"\n--\n"
"""Between the calls and the people, which are two files."""
CART, BUYERS = seeds.JOURNEYS


@cache
def _project() -> Project:
    written = {"settings/settings": seeds.SETTINGS, "journey/cart": CART, "audience/buyers": BUYERS}
    return Project(
        settings=ProjectSettings.model_validate(seeds.SETTINGS),
        journeys={"cart": Journey.model_validate(CART)},
        audiences={"buyers": Audience.model_validate(BUYERS)},
        traits={},
        templates={},
        sources={name: json.dumps(source) for name, source in written.items()},
    )


def _play(data: bytes) -> None:
    calls, _, people = data.partition(BETWEEN)
    try:
        script = Script(calls=read_calls(calls.splitlines()), people=read_people(people.splitlines()))
        outcome = simulate(_project(), "cart", script)
    except UnplayableError as exc:
        worded(exc)
    else:
        assert outcome.begins <= outcome.ends


_CALLS = (
    '{"type": "identify", "userId": "ada", "traits": {"phone": "+14155550101"}, "timestamp": "2026-03-01T10:00:00Z"}',
    '{"userId": "ada", "event": "Cart", "properties": {"total": 10.5, "order": "o"}, "timestamp": "2026-03-01T12:00:00-05:00"}',
    '{"type": "track", "userId": "ada", "event": "Bought", "properties": {"order": "o"}, "timestamp": "2026-03-02T12:00:00Z"}',
    '{"batch": [{"type": "page", "anonymousId": "x", "name": "Home", "originalTimestamp": "2026-03-02T12:00:00Z"}]}',
)
_PEOPLE = '{"userId": "ada", "traits": {"phone": "+14155550101", "n": 1e9}, "consents": {"sms": {"news": true, "codes": false}}}'
TARGETS = [
    Target(
        "simulate",
        _play,
        [
            "\n".join(_CALLS).encode() + BETWEEN + _PEOPLE.encode(),
            *(line.encode() for line in _CALLS),
            _CALLS[1].encode()
            + BETWEEN
            + b'{"anonymousId": 3, "consents": {}}\n{"consents": {"chat": {"": 1}}}',
        ],
    ),
]
