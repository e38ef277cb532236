"""The wire's edges on a real server: sizes, statuses, zipped bodies, overload, a database that is away — and nothing is lost."""

import gzip
import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compat.faults import Fault
from tests.compat.installation import BROWSER, SERVER, Installation

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

GZIP = {"Content-Encoding": "gzip"}


def post(
    api: Installation,
    path: str,
    body: Any,
    *,
    url: str = "",
    timeout: float = 30,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, http.client.HTTPMessage]:
    """Send one request and return status, JSON and headers of its answer."""
    host = (url or api.url).removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=timeout)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, data, headers or {})
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw), answer.msg
    finally:
        connection.close()


def track(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "event": "E", "messageId": name, **more}


def test_of_2500_with_three_bad_ones_2497_are_stored_and_three_quarantined(api: Installation) -> None:
    bad = [track("large", properties={"x": "y" * 33_000}), track("x" * 101), {"type": "track", "userId": "u"}]
    good = [track(f"m{number}") for number in range(2_497)]
    items = [*good[:1_000], bad[0], *good[1_000:2_000], bad[1], *good[2_000:], bad[2]]
    body = {"batch": items, "writeKey": SERVER}

    with api.wire(Fault.UNANSWERED).open() as wire:
        with pytest.raises((http.client.HTTPException, OSError)):
            post(api, "/v1/batch", body, url=wire.url)
        status, said, _ = post(api, "/v1/batch", body, url=wire.url)

    assert (status, said) == (200, {"success": True})
    assert Counter(call.message_id for call in api.stored()) == {f"m{number}": 1 for number in range(2_497)}
    # The third has no identity: when it is told again nobody can know that it is the same.
    assert Counter(reason for reason, _ in api.quarantined()) == {
        "too_large": 1,
        "too_long": 1,
        "no_event": 2,
    }


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/batch", b"{", {}, 400),
        ("/v1/track", b"", {}, 400),
        ("/v1/batch", {"writeKey": SERVER}, {}, 400),
        ("/v1/batch", {"batch": []}, {}, 401),
        ("/v1/track", {"userId": "u", "event": "E", "writeKey": "nobody's"}, {}, 401),
        ("/v1/batch", {"batch": [{}] * 2_501, "writeKey": SERVER}, {}, 413),
        ("/v1/batch", {"batch": ["x" * 512_001], "writeKey": SERVER}, {}, 413),
        ("/v1/batch", gzip.compress(b"[" + b" " * 50_000_000, mtime=0), GZIP, 413),
        ("/v1/batch", gzip.compress(b"{}", mtime=0)[:-9], GZIP, 400),
        ("/v1/track", {"userId": "u", "event": "E", "writeKey": SERVER}, {}, 200),
        ("/v1/track/", {"userId": "u", "event": "E", "writeKey": SERVER}, {}, 200),
        ("/v1/batch///", {"batch": [], "writeKey": SERVER}, {}, 200),
        ("/v1/t", {"userId": None, "anonymousId": "a", "event": "E", "writeKey": BROWSER}, {}, 200),
        ("/v1/track", {"userId": "u", "event": "E", "x": "y" * 40_000, "writeKey": SERVER}, {}, 200),
    ],
)
def test_each_body_has_its_status_and_errors_have_code_and_message(
    api: Installation, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    found, said, _ = post(api, path, body, headers={"Content-Type": "text/plain", **headers})

    assert found == status
    if status == 200:
        assert said == {"success": True}
    else:
        assert isinstance(said["code"], str)
        assert isinstance(said["message"], str)
        assert api.stored() == []


def test_a_body_zipped_in_parts_is_read_to_its_end(api: Installation) -> None:
    text = json.dumps({"batch": [track(f"m{n}") for n in range(10)], "writeKey": SERVER}).encode()
    parts = gzip.compress(text[:200]) + gzip.compress(text[200:])

    assert post(api, "/v1/batch", parts, headers=GZIP)[0] == 200
    assert len(api.stored()) == 10


def test_while_the_database_answers_nothing_the_client_hears_503_in_time(api: Installation) -> None:
    with psycopg.connect(api.database, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'engage' AND datname = current_database()"
        )
        backends = [pid for (pid,) in found]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        status, said, headers = post(api, "/v1/batch", {"batch": [track("m1")], "writeKey": SERVER})
        took = time.monotonic() - began
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)

    assert (status, said["code"]) == (503, "unavailable")
    assert int(headers["retry-after"]) >= 1
    assert took < 10, "Segment's client for Node waits ten seconds"
    while post(api, "/v1/batch", {"batch": [track("m1")], "writeKey": SERVER})[0] == 503:
        time.sleep(0.1)
    assert [call.message_id for call in api.stored()] == ["m1"]


def test_overload_is_429_with_whole_seconds_and_whoever_comes_back_loses_nothing(api: Installation) -> None:
    statuses: Counter[int] = Counter()
    waits: set[str] = set()

    def send(sender: int) -> None:
        for number in range(3):
            items = [track(f"{sender}-{number}-{n}") for n in range(2_000)]
            while True:
                status, _, headers = post(api, "/v1/batch", {"batch": items, "writeKey": SERVER}, timeout=120)
                statuses[status] += 1
                if status == 200:
                    break
                waits.add(headers["retry-after"])
                time.sleep(0.5)

    with psycopg.connect(api.database) as held:
        # A report that locks: nothing can be stored for a while, and what comes piles up.
        held.execute("LOCK TABLE inbox IN SHARE MODE")
        senders = [threading.Thread(target=send, args=(n,)) for n in range(16)]
        for sender in senders:
            sender.start()
        time.sleep(2.5)
        held.rollback()
    for sender in senders:
        sender.join()

    assert statuses[200] == 16 * 3
    assert statuses[429] > 0
    assert set(statuses) == {200, 429}
    assert all(wait.isdecimal() and int(wait) >= 1 for wait in waits)
    assert len(api.stored()) == 16 * 3 * 2_000


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    properties=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10),
        JSON,
        max_size=5,
    ),
    zipped=st.booleans(),
)
def test_what_is_sent_is_what_is_stored(api: Installation, properties: dict[str, Any], zipped: bool) -> None:
    api.forget()
    body = json.dumps(
        track("m", properties=properties) | {"writeKey": SERVER}, ensure_ascii=bool(zipped)
    ).encode()

    assert post(api, "/v1/track", gzip.compress(body) if zipped else body)[0] == 200
    (call,) = api.stored()
    assert call.properties == properties
