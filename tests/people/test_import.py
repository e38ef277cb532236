"""Files brought in: nothing twice and nothing lost though the process is killed, and what is refused can be mended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engage.domain.consent.consent import ConsentState
from tests.cli.conftest import Author

pytestmark = pytest.mark.live


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the installation's database."""
    with psycopg.connect(os.environ["ENGAGE_DATABASE_URL"]) as connection:
        return connection.execute(query.encode(), values).fetchall()


def errors_of(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()[1:]]


class TestProfiles:
    PEOPLE = (
        "user_id,email,plan,age\nu1,Ada@shop.example,pro,36\nu2,not an address,pro,20\nu3,,free,\n,,free,1\n"
    )

    def test_rows_become_people_and_trigger_nothing(self, shop: Author) -> None:
        shop.write("journeys/audiences/pros.yaml", "audience: pros\nwhere: profile.plan == 'pro'\n")
        journey = {
            "journey": "hello-pro",
            "trigger": {"audience": {"entered": "pros"}},
            "steps": [{"wait": "1 day"}],
        }
        shop.write("journeys/hello-pro.yaml", json.dumps(journey))
        shop.run("publish", "--yes")
        shop.write("people.csv", self.PEOPLE)

        said = shop.json("profile", "import", "people.csv", code=1)

        assert (said["rows"], said["taken"], said["refused"]) == (4, 2, 2)
        assert rows("SELECT value FROM identifier ORDER BY value") == [
            ("ada@shop.example",),
            ("u1",),
            ("u3",),
        ]
        assert rows("SELECT audience FROM membership") == [("pros",)]
        assert rows("SELECT count(*) FROM run") == [(0,)]

    def test_refused_rows_are_mended_in_the_report_and_imported(self, shop: Author) -> None:
        shop.write("people.csv", self.PEOPLE)
        report = Path(shop.json("profile", "import", "people.csv", code=1)["errors"])
        assert [line[0] for line in errors_of(report)] == ["u2", ""]
        assert "email: no e-mail address" in report.read_text()

        mended = report.read_text().replace("not an address", "bob@shop.example").replace("\n,,", "\nu4,,")
        report.write_text(mended)
        said = shop.json("profile", "import", str(report))

        assert (said["taken"], said["refused"]) == (2, 0)
        assert rows("SELECT count(*) FROM profile") == [(4,)]
        assert rows("SELECT count(*) FROM profile WHERE traits ? 'import_error'") == [(0,)]

    def test_the_same_file_again_does_nothing_unless_it_is_wished(self, shop: Author) -> None:
        shop.write("people.csv", "user_id,plan\nu1,pro\n")
        shop.run("profile", "import", "people.csv")
        shop.identify("u1", plan="free")

        known = shop.json("profile", "import", "people.csv")
        kept = rows("SELECT traits ->> 'plan' FROM profile")
        shop.run("profile", "import", "people.csv", "--again")

        assert (known["known"], kept) == (True, [("free",)])

    def test_a_report_is_never_written_over_another(self, shop: Author) -> None:
        for plan in ("pro", "free"):
            shop.write("people.csv", f"user_id,plan\n,{plan}\n")
            shop.run("profile", "import", "people.csv", code=1)

        reports = sorted(path.name for path in shop.folder.glob("people.errors*"))
        assert reports == ["people.errors-2.csv", "people.errors.csv"]

    def test_everybody_in_a_file_joins_a_manual_audience(self, shop: Author) -> None:
        shop.write("journeys/audiences/guests.yaml", "audience: guests\nmembers: manual\n")
        journey = {
            "journey": "hello-guest",
            "trigger": {"audience": {"entered": "guests"}},
            "steps": [{"wait": "1 day"}],
        }
        shop.write("journeys/hello-guest.yaml", json.dumps(journey))
        shop.run("publish", "--yes")
        shop.write("guests.csv", "email\na@b.example\nnobody\nc@d.example\n")

        assert "members: manual" in shop.run("profile", "import", "guests.csv", "--audience", "other", code=2)
        shop.run("profile", "import", "guests.csv", "--audience", "guests", code=1)

        assert rows("SELECT audience, count(*) FROM membership GROUP BY 1") == [("guests", 2)]
        assert rows("SELECT count(*) FROM run") == [(2,)]

    def test_segments_columns_of_consent_are_in_the_ledger_and_a_closed_channel_stays_closed(
        self, shop: Author
    ) -> None:
        shop.run("publish", "--yes")
        shop.write("no.csv", "address,channel,topic,state\neve@shop.example,email,,unsubscribed\n")
        shop.json("consent", "import", "no.csv")
        shop.write(
            "people.csv",
            "email,phone,email_subscription_status,sms_subscription_status,Offers_subscription_status\n"
            "ada@shop.example,,subscribed,,subscribed\n"
            "eve@shop.example,,subscribed,,\n"
            "bob@shop.example,+14155550101,,unsubscribed,\n",
        )

        said = shop.json("profile", "import", "people.csv", code=1)

        assert (said["taken"], said["refused"]) == (2, 1)
        report = Path(said["errors"])
        assert "unable_to_subscribe" in report.read_text()
        known = (
            "SELECT owner, channel, topic, state FROM subscription WHERE scope = 'address' ORDER BY 1, 2, 3"
        )
        assert rows(known) == [
            ("+14155550101", "sms", "*", "unsubscribed"),
            ("ada@shop.example", "email", "*", "subscribed"),
            ("ada@shop.example", "email", "promotions", "subscribed"),
            ("eve@shop.example", "email", "*", "unsubscribed"),
        ]
        report.write_text(report.read_text().replace("eve@shop.example,,subscribed", "eve@shop.example,,"))
        assert shop.json("profile", "import", str(report))["taken"] == 1

    def test_an_export_of_everybody_comes_in_elsewhere_as_it_was(self, shop: Author) -> None:
        shop.identify("u1", email="Ada@shop.example", plan="pro", zip="01234", tags=["a", 1], note="=1+1")
        shop.identify("u2", phone="+14155550101", age=20)
        before = shop.run("profile", "export", "--all")
        for ending in ("csv", "jsonl"):
            shop.run("profile", "export", "--all", "-o", f"people.{ending}")
            for person in ("u1", "u2"):
                shop.run("profile", "forget", person, "--yes")
            assert rows("SELECT count(*) FROM profile") == [(0,)]
            shop.run("profile", "import", f"people.{ending}")
            again = shop.run("profile", "export", "--all")
            assert [line.split(",")[1:] for line in sorted(again.splitlines())] == [
                line.split(",")[1:] for line in sorted(before.splitlines())
            ]

    def test_a_person_is_told_everything_but_the_sensitive(self, shop: Author) -> None:
        shop.edit(
            "journeys/settings.yaml", "timezone:", "sensitive: [profile.pin, Code Sent.code]\ntimezone:"
        )
        shop.run("publish", "--yes")
        shop.identify("u1", email="ada@shop.example", pin="1234")
        shop.track("u1", "Code Sent", code="9876", by="sms")

        told = json.loads(shop.run("profile", "export", "u1"))["held"]

        assert {row["value"] for row in told["identifier"]} == {"u1", "ada@shop.example"}
        assert [row["properties"]["by"] for row in told["event"] if row["name"] == "Code Sent"] == ["sms"]
        assert "1234" not in json.dumps(told["profile"])
        assert "9876" not in json.dumps(told)


def start(shop: Author) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "engage.cli", "profile", "import", "people.csv"]
    return subprocess.Popen(command, cwd=shop.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_killed_in_the_middle_and_started_again_nothing_is_twice_and_nothing_lost(shop: Author) -> None:
    count, bad = 16_000, 97
    lines = [f"u{n},{n}" if n % bad else f",{n}" for n in range(count)]
    shop.write("people.csv", "\n".join(["user_id,number", *lines, ""]))

    for far in (2_000, 6_000, 10_000):
        process = start(shop)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            done = rows("SELECT (data ->> 'rows')::int FROM job WHERE kind = 'import'")
            if done and done[0][0] >= far:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    interrupted = rows("SELECT finished_at FROM job WHERE kind = 'import'")
    said = shop.json("profile", "import", "people.csv", code=1)

    refused = [str(n) for n in range(count) if n % bad == 0]
    assert interrupted == [(None,)]
    assert (said["rows"], said["refused"]) == (count, len(refused))
    assert [line[1] for line in errors_of(Path(said["errors"]))] == refused
    assert rows("SELECT count(*), count(DISTINCT value) FROM identifier") == [(count - len(refused),) * 2]
    assert rows("SELECT count(*) FROM profile WHERE traits ->> 'number' IS NOT NULL") == [
        (count - len(refused),)
    ]
    assert rows("SELECT count(*) FROM seen WHERE source = 'import'") == [(count - len(refused),)]
    assert rows("SELECT count(*) FROM inbox") == [(0,)]


def test_two_processes_do_not_import_one_file_together(shop: Author) -> None:
    shop.write("people.csv", "\n".join(["user_id", *(f"u{n}" for n in range(8_000)), ""]))

    both = [start(shop), start(shop)]
    said = [process.communicate(timeout=120)[0].decode() for process in both]

    assert rows("SELECT count(*) FROM profile") == [(8_000,)]
    assert sorted(process.returncode for process in both) in ([0, 0], [0, 1])
    assert any("8,000 rows taken" in text for text in said)


class TestConsents:
    def test_lines_keep_their_time_source_and_proof(self, shop: Author) -> None:
        shop.identify("u1", email="ada@shop.example")
        shop.write(
            "consents.csv",
            "email,channel,topic,state,at,source,proof\n"
            "Ada@shop.example,email,promotions,subscribed,2025-01-01T00:00:00Z,shop till,form 7\n",
        )
        shop.run("consent", "import", "consents.csv")

        (line,) = rows(
            "SELECT address, state, at::date::text, source, proof, profile_id IS NULL FROM consent"
        )
        assert line == ("ada@shop.example", "subscribed", "2025-01-01", "shop till", "form 7", False)
        assert rows("SELECT count(*) FROM event WHERE name = 'Subscription Updated'") == [(0,)]
        [told] = [told for told in shop.json("why", "u1")["decisions"] if told["kind"] == "consent"]
        assert (told["outcome"], told["reason"]) == ("subscribed", "shop till")
        assert told["values"]["said_at"] == "2025-01-01T00:00:00+00:00"

    def test_an_older_line_changes_nothing(self, shop: Author) -> None:
        header = "address,channel,topic,state,at\n"
        shop.write("new.csv", f"{header}ada@shop.example,email,promotions,unsubscribed,2025-02-01\n")
        shop.write("old.csv", f"{header}ada@shop.example,email,promotions,subscribed,2025-01-01\n")
        shop.run("consent", "import", "new.csv")
        shop.run("consent", "import", "old.csv")

        assert rows("SELECT state FROM subscription") == [("unsubscribed",)]
        assert rows("SELECT count(*) FROM consent") == [(2,)]

    def test_a_yes_that_needs_a_second_step_waits_for_it_unless_it_is_proven(self, shop: Author) -> None:
        shop.edit("journeys/settings.yaml", "topics:", "topics:\n  twice: {email: double_opt_in}")
        shop.run("publish", "--yes")
        shop.write(
            "c.csv",
            "address,channel,topic,state,proof\na@b.example,email,twice,subscribed,\nc@d.example,email,twice,subscribed,mail 3\n",
        )
        shop.run("consent", "import", "c.csv")

        assert rows("SELECT owner, state FROM subscription ORDER BY owner") == [
            ("a@b.example", "pending"),
            ("c@d.example", "subscribed"),
        ]

    def test_a_yes_for_an_address_that_said_stop_is_refused(self, shop: Author) -> None:
        shop.write("stop.csv", "address,channel,topic,state\n+14155550101,sms,,unsubscribed\n")
        shop.write("yes.csv", "address,channel,topic,state\n(415) 555-0101,sms,*,subscribed\n")
        shop.run("consent", "import", "stop.csv")
        report = Path(shop.json("consent", "import", "yes.csv", code=1)["errors"])

        assert "unable_to_subscribe" in report.read_text()
        assert rows("SELECT state FROM subscription") == [("unsubscribed",)]

    def test_rules_that_read_consent_follow(self, shop: Author) -> None:
        shop.edit("journeys/settings.yaml", "topics:", "topics:\n  news: {email: opt_in}")
        shop.write(
            "journeys/audiences/readers.yaml", "audience: readers\nwhere: subscribed('email', 'news')\n"
        )
        shop.run("publish", "--yes")
        shop.identify("u1", email="ada@shop.example")
        shop.write("c.csv", "profile,address,channel,topic,state\n,ada@shop.example,email,news,subscribed\n")
        before = rows("SELECT count(*) FROM membership")
        shop.run("consent", "import", "c.csv")

        assert (before, rows("SELECT audience FROM membership")) == ([(0,)], [("readers",)])

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("ada,email,,unsubscribed,", "address: no address for email"),
            ("a@b.example,pigeon,,unsubscribed,", "channel:"),
            ("a@b.example,email,,perhaps,", "state:"),
            ("a@b.example,email,,unsubscribed,yesterday", "at:"),
            (",email,,unsubscribed,", "address or profile:"),
        ],
    )
    def test_what_is_wrong_is_said(self, shop: Author, line: str, told: str) -> None:
        shop.write("c.csv", f"address,channel,topic,state,at\n{line}\n")

        report = Path(shop.json("consent", "import", "c.csv", code=1)["errors"])

        assert told in report.read_text()
        assert rows("SELECT count(*) FROM consent") == [(0,)]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_the_ledger_and_the_list_come_in_elsewhere_as_they_were(shop: Author, ending: str) -> None:
    shop.identify("u1", email="ada@shop.example", phone="+14155550101")
    shop.write(
        "c.csv",
        "address,channel,topic,state,at,proof\n"
        f"ada@shop.example,email,promotions,{ConsentState.SUBSCRIBED},2025-01-01,form 1\n"
        "ada@shop.example,email,,unsubscribed,2025-02-01,\n"
        "+14155550101,sms,,unsubscribed,2025-03-01,\n",
    )
    shop.write("s.csv", "email,reason,created\nBounce@shop.example,no such user,1735689600\n")
    shop.run("consent", "import", "c.csv")
    shop.run("suppression", "import", "s.csv")
    told = [shop.run(kind, "export", "--format", ending) for kind in ("consent", "suppression")]
    for kind in ("consent", "suppression"):
        shop.run(kind, "export", "-o", f"{kind}.{ending}")
    with psycopg.connect(os.environ["ENGAGE_DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM consent")
        connection.execute("DELETE FROM subscription")
        connection.execute("DELETE FROM suppression")

    for kind in ("consent", "suppression"):
        shop.run(kind, "import", f"{kind}.{ending}")

    again = [shop.run(kind, "export", "--format", ending) for kind in ("consent", "suppression")]
    assert [sorted(text.splitlines()) for text in again] == [sorted(text.splitlines()) for text in told]
    assert "bounce@shop.example" in again[1]
    assert "2025-01-01" in again[0]
