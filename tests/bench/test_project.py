"""The bench's own project is what the budget page says."""

from datetime import UTC, datetime
from decimal import Decimal

from engage.bench.customers import EMAIL_EVENT, SMS_EVENT, email_of, identify, phone_of, track
from engage.bench.stack import PROJECT
from engage.compiled import template_source
from engage.domain.delivery.delivery import Channel
from engage.engine.canonical.address import normal_address
from engage.ports.channel import EmailContent, SmsContent
from engage.ports.templating import Links, Rendered, RenderRequest
from engage.project.load import load_project
from engage.templating import compile_templates


def rendered(template: str, channel: Channel, event: str) -> Rendered:
    sources = [template_source(form, 1) for form in load_project(PROJECT).templates.values()]
    templates, problems = compile_templates(sources, {})
    assert problems == []
    answer = templates.render(
        RenderRequest(
            channel=channel,
            template=template,
            text=None,
            profile=identify(7, "t")["traits"],
            entry=track(7, "t", event)["properties"] | {"total": Decimal("129.5")},
            event={},
            run={},
            variables={},
            now=datetime(2026, 11, 23, tzinfo=UTC),
            zone="UTC",
            locale=None,
            default_locale="en",
            links=Links(unsubscribe_url="https://e.example/u/t", preferences_url="", view_url=""),
            marketing=False,
        )
    )
    assert isinstance(answer, Rendered), answer
    return answer


def test_its_files_have_no_mistakes() -> None:
    project = load_project(PROJECT)

    assert project.problems == []
    assert sorted(project.journeys) == ["bench-broadcast", "bench-email", "bench-sms"]


def test_the_mail_of_workload_b_has_17_kilobytes_of_html() -> None:
    content = rendered("bench/letter", Channel.EMAIL, EMAIL_EVENT).content

    assert isinstance(content, EmailContent)
    assert content.html is not None
    assert 16_000 <= len(content.html.encode()) <= 18_500


def test_the_sms_of_workload_a_is_one_segment() -> None:
    content = rendered("bench/notice", Channel.SMS, SMS_EVENT).content

    assert isinstance(content, SmsContent)
    assert len(content.body) <= 160


def test_customers_have_addresses_that_are_taken_as_they_are() -> None:
    for number in (0, 999_999):
        assert normal_address(Channel.SMS, phone_of(number), "US") == phone_of(number)
        assert normal_address(Channel.EMAIL, email_of(number), "US") == email_of(number)


def test_no_house_rule_of_the_bench_holds_a_message_back_at_night() -> None:
    settings = load_project(PROJECT).settings

    assert settings.quiet_hours is None
    assert settings.caps == ()
