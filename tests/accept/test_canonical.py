"""What of ingest.md is about one call: fields, limits, reserved traits, identifiers."""

from decimal import Decimal
from typing import Any

import pytest

from engage.domain.fact import Identifier, Kind, decode, encode
from engage.domain.project_settings import ProjectSettings
from engage.engine.canonical.call import MAX_ITEM
from engage.engine.canonical.rules import Rules
from tests.accept.items import call, identify, reason, track

ADA = Identifier("user_id", "ada")


def test_a_call_survives_being_stored() -> None:
    found = call(track(properties={"total": 0.1, "n": 3, "ok": True, "none": None, "list": [1.50]}))

    assert decode(encode(found)) == found
    assert found.properties["total"] == Decimal("0.1")


@pytest.mark.parametrize("kind", ["identify", "track", "page", "screen", "group", "alias"])
def test_every_kind_of_call_is_taken(kind: str) -> None:
    item = {"type": kind, "userId": "ada", "event": "E", "groupId": "g", "previousId": "anon"}

    assert call(item).kind == kind


def test_the_path_says_the_kind_of_a_single_call() -> None:
    assert call({"userId": "ada", "traits": {"plan": "pro"}}, kind=Kind.IDENTIFY).kind is Kind.IDENTIFY


def test_a_missing_message_id_is_minted() -> None:
    assert call(track()).message_id == "minted"
    assert call(track(messageId=None)).message_id == "minted"
    assert call(track(messageId="")).message_id == "minted"


def test_a_message_id_has_at_most_100_characters() -> None:
    assert call(track(messageId="m" * 100)).message_id == "m" * 100
    assert reason(track(messageId="m" * 101)) == "too_long"


def test_null_ids_are_absent() -> None:
    assert call(track(anonymousId=None)).identifiers == (ADA,)
    assert call(track(userId=None, anonymousId="a1")).identifiers == (Identifier("anonymous_id", "a1"),)
    assert call(track(userId="", anonymousId="a1")).identifiers == (Identifier("anonymous_id", "a1"),)


def test_numbers_as_ids_are_their_shortest_text() -> None:
    assert call(track(userId=42)).identifiers == (Identifier("user_id", "42"),)
    assert call(track(userId=42.0)).identifiers == (Identifier("user_id", "42"),)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"type": "track", "event": "E"}, "no_identifier"),
        ({"type": "track", "event": "E", "userId": " ", "anonymousId": None}, "no_identifier"),
        ({"type": "track", "userId": "u"}, "no_event"),
        ({"type": "track", "userId": "u", "event": ""}, "no_event"),
        ({"type": "track", "userId": "u", "event": 5}, "no_event"),
        ({"type": "track", "userId": "u", "event": "e" * 501}, "too_long"),
        ({"userId": "u", "event": "E"}, "no_type"),
        ({"type": "delete", "userId": "u"}, "unknown_type"),
        ({"type": ["track"], "userId": "u"}, "unknown_type"),
        ({"type": "alias", "anonymousId": "a"}, "no_user_id"),
        ({"type": "alias", "userId": "u"}, "no_previous_id"),
        ({"type": "group", "userId": "u"}, "no_group_id"),
        ({"type": "track", "userId": {"id": 1}, "event": "E"}, "invalid_field"),
        ({"type": "track", "userId": "u" * 501, "event": "E"}, "too_long"),
        ({"type": "track", "userId": "u", "event": "E", "properties": []}, "invalid_field"),
        ({"type": "track", "userId": "u", "event": "E", "context": "x"}, "invalid_field"),
        ({"type": "track", "userId": "u", "event": "E", "messageId": {}}, "invalid_field"),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": "soon"}, "invalid_timestamp"),
        ([], "not_an_object"),
        ("track", "not_an_object"),
        (None, "not_an_object"),
    ],
)
def test_what_cannot_be_taken_says_why(item: Any, why: str) -> None:
    assert reason(item) == why


def test_a_call_of_32_kb_is_taken_and_one_byte_more_is_not() -> None:
    bare = len(b'{"type":"track","userId":"u","event":"E","properties":{"x":""}}')
    fits = b'{"type":"track","userId":"u","event":"E","properties":{"x":"%s"}}' % (b"x" * (MAX_ITEM - bare))

    assert call(fits).event == "E"
    assert reason(fits.replace(b"xx", b"xxx", 1)) == "too_large"


def test_a_nul_in_a_text_is_refused_and_an_escaped_backslash_is_not() -> None:
    assert (
        reason(b'{"type":"track","userId":"u","event":"E","properties":{"a":["\\u0000"]}}') == "invalid_text"
    )
    assert reason(b'{"type":"track","userId":"u","event":"E","properties":{"\\u0000":1}}') == "invalid_text"
    assert call(b'{"type":"track","userId":"u","event":"E","properties":{"a":"\\\\u0000"}}').event == "E"


def test_bytes_that_are_no_text_are_refused() -> None:
    assert reason(b'{"type":"track","userId":"u","event":"\xff"}') == "invalid_text"


@pytest.mark.parametrize("depth", [40, 5_000])
def test_nesting_is_bounded(depth: int) -> None:
    assert reason(b'{"type":"track","properties":{"a":%s%s}}' % (b"[" * depth, b"]" * depth)) == "too_deep"


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    assert call(track(properties={"list": [[] for _ in range(100)]})).event == "Order Completed"


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e-400", "1e99999999999999999999", "0." + "1" * 200, "9" * 5_000]
)
def test_numbers_beyond_every_measure_are_refused(number: str) -> None:
    raw = b'{"type":"track","userId":"u","event":"E","properties":{"n":%s}}' % number.encode()

    assert reason(raw) == "number_out_of_range"


def test_numbers_stay_exact() -> None:
    raw = b'{"type":"track","userId":"u","event":"E","properties":{"n":0.1000000000000000055,"big":%s}}' % (
        b"9" * 30
    )

    assert call(raw).properties == {"n": Decimal("0.1000000000000000055"), "big": int("9" * 30)}


def test_camel_and_snake_reserved_traits_are_one() -> None:
    traits = {"firstName": "Ada", "lastName": "L", "createdAt": "2026-01-01", "favouriteColor": "red"}

    assert call(identify(traits)).traits == {
        "first_name": "Ada",
        "last_name": "L",
        "created_at": "2026-01-01",
        "favouriteColor": "red",
    }


def test_snake_case_wins_where_both_spellings_come() -> None:
    assert call(identify({"firstName": "A", "first_name": "B"})).traits == {"first_name": "B"}
    assert call(identify({"first_name": "B", "firstName": "A"})).traits == {"first_name": "B"}


def test_reserved_names_inside_address_and_company_are_one_too() -> None:
    traits = {"address": {"postalCode": "1", "city": "X"}, "company": {"employeeCount": 3}, "name": "A"}

    assert call(identify(traits)).traits == {
        "address": {"postal_code": "1", "city": "X"},
        "company": {"employee_count": 3},
        "name": "A",
    }


def test_a_null_trait_is_kept_because_it_deletes() -> None:
    assert call(identify({"firstName": None})).traits == {"first_name": None}


def test_an_identify_with_traits_in_its_context_alone_has_those() -> None:
    about = {"traits": {"firstName": "Ada", "phone": "(415) 555-0101"}}
    rudderstack = {"type": "identify", "userId": "ada", "context": about}

    assert call(rudderstack).traits == {"first_name": "Ada", "phone": "+14155550101"}
    assert call({**rudderstack, "traits": {"plan": "pro"}}).traits == {"plan": "pro"}
    assert call({**rudderstack, "traits": {}}).traits == {}
    assert reason({**rudderstack, "context": {"traits": [1]}}) == "invalid_field"


def test_traits_outside_identify_are_not_the_persons() -> None:
    assert call(track(traits={"plan": "pro"})).traits == {}
    assert call({"type": "group", "userId": "ada", "groupId": "g", "traits": {"plan": "x"}}).traits == {
        "plan": "x"
    }


def test_email_is_compared_in_lower_case_and_kept_as_typed() -> None:
    found = call(identify({"email": " Ada@Shop.Example "}))

    assert Identifier("email", "ada@shop.example") in found.identifiers
    assert found.traits["email"] == " Ada@Shop.Example "


def test_phone_is_e164_in_the_projects_region() -> None:
    found = call(identify({"phone": "(415) 555-0101"}), rules=Rules(region="US"))

    assert Identifier("phone", "+14155550101") in found.identifiers
    assert found.traits["phone"] == "+14155550101"
    german = call(identify({"phone": "030 1234567"}), rules=Rules(region="DE"))
    assert Identifier("phone", "+49301234567") in german.identifiers


def test_what_is_no_address_stays_a_trait_and_names_nobody() -> None:
    found = call(identify({"email": "ada at shop", "phone": "call me"}))

    assert found.identifiers == (ADA,)
    assert found.traits == {"email": "ada at shop", "phone": "call me"}


def test_addresses_of_any_call_are_found_in_context_traits() -> None:
    found = call(track(context={"traits": {"email": "A@B.c", "phone": "+14155550101"}}))

    assert found.identifiers == (ADA, Identifier("email", "a@b.c"), Identifier("phone", "+14155550101"))


def test_an_address_alone_names_a_person() -> None:
    assert call(identify({"email": "a@b.c"}, userId=None)).identifiers == (Identifier("email", "a@b.c"),)


def test_external_ids_need_all_four_keys_and_the_collection_users() -> None:
    good = {"id": "L1", "type": "loyalty_id", "collection": "users", "encoding": "none"}
    bad = [
        {**good, "collection": "accounts"},
        {**good, "encoding": "md5"},
        {**good, "type": "Loyalty"},
        {**good, "id": None},
        {key: value for key, value in good.items() if key != "encoding"},
        "L2",
    ]

    found = call(track(context={"externalIds": [*bad, good]}))

    assert found.identifiers == (ADA, Identifier("loyalty_id", "L1"))


def test_the_projects_own_identifiers_are_found_in_both_spellings() -> None:
    settings = ProjectSettings.model_validate({"identity": {"identifiers": {"loyalty_id": {}}}})
    rules = Rules.of(settings)

    for item in (
        track(properties={"loyaltyId": "L1"}),
        track(properties={"loyalty_id": "L1"}),
        track(context={"traits": {"loyaltyId": "L1"}}),
        identify({"loyalty_id": "L1"}),
    ):
        assert call(item, rules=rules).identifiers == (ADA, Identifier("loyalty_id", "L1"))


def test_an_identifier_is_there_once() -> None:
    external = {"id": "A@B.C", "type": "email", "collection": "users", "encoding": "none"}

    found = call(identify({"email": "a@b.c"}, context={"externalIds": [external]}))

    assert found.identifiers == (ADA, Identifier("email", "a@b.c"))


def test_alias_names_who_the_person_was_before() -> None:
    found = call({"type": "alias", "userId": "ada", "previousId": "anon-1"})

    assert (found.identifiers, found.previous) == ((ADA,), Identifier("anonymous_id", "anon-1"))
    browser = call({"type": "alias", "userId": "ada", "anonymousId": "anon-2"})
    assert browser.previous == Identifier("anonymous_id", "anon-2")


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_pages_keep_name_category_and_properties(kind: str) -> None:
    found = call(
        {"type": kind, "userId": "ada", "name": "Pricing", "category": "Docs", "properties": {"url": "u"}}
    )

    assert (found.kind, found.event) == (kind, "Pricing")
    assert found.properties == {"url": "u", "name": "Pricing", "category": "Docs"}


def test_a_page_needs_no_name() -> None:
    assert call({"type": "page", "userId": "ada"}).event is None


def test_the_batchs_context_and_integrations_are_merged_into_each_item() -> None:
    found = call(
        track(context={"ip": "1.2.3.4"}, integrations={"Mixpanel": False}),
        context={"ip": "0.0.0.0", "library": {"name": "x"}},
        integrations={"All": True},
    )

    assert found.context == {
        "ip": "1.2.3.4",
        "library": {"name": "x"},
        "integrations": {"All": True, "Mixpanel": False},
    }


def test_messaging_subscriptions_become_wishes() -> None:
    rules = Rules.of(ProjectSettings.model_validate({"topics": {"product-news": {"title": "Product News"}}}))
    subscriptions = [
        {"key": "A@b.c", "type": "EMAIL", "status": "UNSUBSCRIBED"},
        {
            "key": "(415) 555-0101",
            "type": "SMS",
            "status": "SUBSCRIBED",
            "groups": [{"name": "Product News", "status": "UNSUBSCRIBED"}],
        },
        {"key": "A@b.c", "type": "EMAIL", "status": "DID_NOT_SUBSCRIBE"},
        {"key": "token", "type": "IOS_PUSH", "status": "SUBSCRIBED"},
        {"key": "nonsense", "type": "EMAIL", "status": "SUBSCRIBED"},
        7,
    ]

    found = call(identify(context={"messaging_subscriptions": subscriptions}), rules=rules)

    assert [(w.channel, w.state, w.topic, w.address) for w in found.subscriptions] == [
        ("email", "unsubscribed", None, "a@b.c"),
        ("sms", "subscribed", None, "+14155550101"),
        ("sms", "unsubscribed", "product-news", "+14155550101"),
    ]
    assert found.unusable == ("messaging_subscription",)


def test_a_subscription_that_cannot_be_read_in_part_says_the_rest_and_is_told() -> None:
    entry = {
        "key": "a@b.c",
        "type": "email",
        "status": "UNSUBSCRIBED",
        "groups": [{"name": "", "status": "SUBSCRIBED"}, {"name": "news", "status": "PERHAPS"}],
    }

    found = call(identify(context={"messaging_subscriptions": [entry]}))
    fine = call(
        identify(
            context={"messaging_subscriptions": [{**entry, "groups": [], "status": "DID_NOT_SUBSCRIBE"}]}
        )
    )

    assert [(wish.state, wish.topic) for wish in found.subscriptions] == [("unsubscribed", None)]
    assert found.unusable == ("messaging_subscription",)
    assert (fine.subscriptions, fine.unusable) == ((), ())


def test_a_call_remembers_how_it_came() -> None:
    found = call(track(), browser=True, imported=True)

    assert (found.source, found.browser, found.imported) == ("key:s", True, True)
