"""Turns that wait for a provider have threads of their own: neither tasks nor other channels wait with them."""

import threading
import time
from collections.abc import Iterator

import pytest

from engage.domain.delivery.delivery import Channel, Priority
from workers.lines import Lines


class Providers:
    """Texts hang until they are let go; mail is taken at once."""

    def __init__(self) -> None:
        self.let_go, self.hanging, self.mailed = threading.Event(), threading.Event(), threading.Event()
        self.turns = 0

    def turn(self, channel: Channel, _: Priority) -> bool:
        self.turns += 1
        if channel is Channel.EMAIL:
            self.mailed.set()
            return False
        self.hanging.set()
        assert self.let_go.wait(10)
        return True


@pytest.fixture
def providers() -> Iterator[Providers]:
    found = Providers()
    yield found
    found.let_go.set()


def test_mail_leaves_while_texts_hang_and_nobody_who_hints_waits(providers: Providers) -> None:
    lines = Lines(providers.turn, lambda *_: None)
    for priority in (Priority.LIVE, Priority.BULK):
        for _ in range(40):
            lines.hint(Channel.SMS, priority)

    lines.hint(Channel.EMAIL, Priority.LIVE)

    assert providers.mailed.wait(5)
    providers.let_go.set()
    lines.close()


def test_a_line_ends_after_the_turn_that_is_under_way_and_begins_no_other(providers: Providers) -> None:
    lines = Lines(providers.turn, lambda *_: None)
    lines.hint(Channel.SMS, Priority.LIVE)
    assert providers.hanging.wait(5)
    closing = threading.Thread(target=lines.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()

    providers.let_go.set()
    closing.join(5)

    assert not closing.is_alive()
    assert providers.turns == 1


def test_what_is_left_after_many_turns_is_told_to_others() -> None:
    told, later = threading.Event(), list[tuple[Channel, Priority]]()

    def tell(channel: Channel, priority: Priority) -> None:
        later.append((channel, priority))
        told.set()

    lines = Lines(lambda *_: True, tell)
    lines.hint(Channel.SMS, Priority.BULK)

    assert told.wait(10)
    lines.close()
    assert later[0] == (Channel.SMS, Priority.BULK)


def test_an_accident_does_not_stop_the_next_turn() -> None:
    again, turns = threading.Event(), list[int]()

    def turn(*_: object) -> bool:
        turns.append(1)
        if len(turns) == 1:
            raise RuntimeError("the database is away")
        again.set()
        return False

    lines = Lines(turn, lambda *_: None)
    lines.hint(Channel.SMS, Priority.LIVE)
    while not turns:
        time.sleep(0.001)
    lines.hint(Channel.SMS, Priority.LIVE)

    assert again.wait(10)
    lines.close()
