"""The demo's story: who the shop's customers are and what each does, hour by hour. Plain data; seeded, so always the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

_FIRST = [
    "Ada",
    "Ben",
    "Chloé",
    "Dario",
    "Elin",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kaya",
    "Liam",
    "Mina",
    "Noor",
    "Oskar",
    "Priya",
    "Quentin",
    "Rosa",
    "Samir",
    "Tove",
    "Uma",
    "Viktor",
    "Wanda",
    "Xavi",
    "Yara",
    "Zeno",
    "Alma",
    "Boris",
    "Carla",
    "Dmitri",
    "Esra",
    "Finn",
    "Gala",
    "Hanna",
    "Igor",
    "Juno",
    "Kofi",
    "Lena",
    "Marek",
    "Nina",
]
_ITEMS = (
    "Carbon steel pan",
    "Linen tea towels",
    "Paring knife",
    "Cast iron pot",
    "Olive wood board",
    "Pepper mill",
)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a customer does, or the warehouse: a Segment call, an API call, a press on a button, an SMS to the shop."""

    at: float
    """Hours after the shop opened; the first act of everybody is in the first minutes."""
    person: str
    kind: str
    """`identify`, `track`, `subscribe`, `start`, `confirm`, `signal`, `sms`."""
    body: dict[str, Any] = field(default_factory=dict)
    dates: dict[str, float] = field(default_factory=dict)
    """Fields that hold an instant: so many hours after the act."""


def story(people: int, seed: int = 7) -> list[Act]:
    """Return what happens, in order of time."""
    random = Random(seed)  # noqa: S311 - a story, no secret
    acts = [act for number in range(people) for act in _customer(number, random)]
    restocked = {"sku": "s-4", "name": "The 24 cm pot", "quantity": 12, "url": "https://shop.example/pot"}
    acts.append(Act(31, "", "signal", {"event": "Product Restocked", "properties": restocked}))
    return sorted(acts, key=lambda act: act.at)


def _customer(number: int, random: Random) -> Iterator[Act]:
    user = f"customer-{number + 1:03d}"
    name = _FIRST[number % len(_FIRST)]
    phone = f"+1415555{number + 100:04d}"
    email = _mailbox(number, name)
    french = number % 11 == 5
    traits = {
        "email": email,
        "phone": phone,
        "first_name": name,
        "country": "FR" if french else "US",
        "locale": "fr" if french else "en",
        "timezone": "Europe/Paris" if french else "America/New_York",
    }
    yield Act(0.0, user, "identify", traits, {"birthday": 24} if number % 10 == 0 else {})
    if number % 3 != 2:
        yield Act(0.001, user, "subscribe", {"channel": "sms", "topic": "promotions"})
    if number % 4 != 3:
        yield Act(0.001, user, "subscribe", {"channel": "voice", "topic": "promotions"})
    if number % 2 == 0:
        yield Act(0.001, user, "subscribe", {"channel": "sms", "topic": "feedback"})
    begin = 4 * random.random() / 3600  # in the first seconds, which pass at real speed
    yield from _buys(number, user, begin, random)
    yield from _reads(number, user, begin)
    yield from _is_served(number, user, begin)


def _mailbox(number: int, name: str) -> str:
    """Most mailboxes just take their mail; a few have the fates of the sandbox."""
    local = name.lower().replace("é", "e")
    fate = {
        4: "bounce+5.1.1",
        9: "click",
        13: "open",
        17: "machineopen",
        21: "spam",
        26: "deferred2",
        30: "click",
    }
    return f"{fate[number]}@{local}{number}.example" if number in fate else f"{local}{number}@mail.example"


def _buys(number: int, user: str, begin: float, random: Random) -> Iterator[Act]:
    """Yield what happens to carts and orders."""
    minute = 1 / 60
    total = random.randint(40, 700)
    cart = {
        "cart_id": f"cart-{number}",
        "total": total,
        "products": [
            {"sku": f"s-{number % 6}", "name": random.choice(_ITEMS), "price": total, "quantity": 1}
        ],
        "url": "https://shop.example/cart",
        "currency": "USD",
    }
    order = {
        **{key: cart[key] for key in ("products", "total", "currency")},
        "order_id": f"F{1000 + number}",
        "tracking_url": f"https://parcel.example/{1000 + number}",
        "carrier": "Parcel Post",
    }
    match number % 5:
        case 0:
            yield Act(begin, user, "track", {"event": "Order Completed", "properties": order})
            yield Act(20 + random.random(), user, "track", {"event": "Order Shipped", "properties": order})
            yield Act(24 + random.random(), user, "track", {"event": "Order Delivered", "properties": order})
            if number % 4 == 0:
                yield Act(82, user, "sms", {"body": f"{random.choice((10, 10, 9, 8, 7, 4))}, thanks"})
        case 1:
            yield Act(begin, user, "track", {"event": "Cart Updated", "properties": cart})
        case 2:
            yield Act(begin, user, "track", {"event": "Cart Updated", "properties": cart})
            yield Act(3 + random.random(), user, "track", {"event": "Order Completed", "properties": order})
            yield Act(30 + random.random(), user, "track", {"event": "Order Shipped", "properties": order})
        case 3:
            code = f"{random.randint(0, 999_999):06d}"
            yield Act(begin, user, "track", {"event": "Passcode Requested", "properties": {"passcode": code}})
            yield Act(
                begin + minute, user, "track", {"event": "Cart Updated", "properties": {**cart, "total": 640}}
            )
        case _:
            yield Act(begin, user, "track", {"event": "Cart Updated", "properties": cart})
            yield Act(
                0.5, user, "track", {"event": "Cart Emptied", "properties": {"cart_id": cart["cart_id"]}}
            )


def _reads(number: int, user: str, begin: float) -> Iterator[Act]:
    """Yield who wants to hear from the shop, and who does not any more."""
    if number % 2 == 0:
        wants_letter = number % 4 == 0
        yield Act(begin, user, "track", {"event": "Signed Up", "properties": {"newsletter": wants_letter}})
        if wants_letter and number % 3 != 2:
            yield Act(4, user, "confirm", {"email": True})
    if number % 6 == 4:
        yield Act(begin, user, "track", {"event": "Stock Requested", "properties": {"sku": "s-4"}})
    if number % 13 == 6:
        yield Act(40, user, "sms", {"body": "STOP"})


def _is_served(number: int, user: str, begin: float) -> Iterator[Act]:
    """Yield classes, appointments with the grinder, and boxes that could not be charged."""
    if number % 9 == 4:
        entry = {"title": "Bread on a Friday", "day": "Friday", "class_id": f"class-{number}"}
        yield Act(
            begin, user, "start", {"journey": "class-reminder", "entry": entry}, {"entry.starts_at": 50}
        )
    if number % 7 == 3:
        booked = {"appointment_id": f"grind-{number}", "day": "Saturday at three"}
        happens = {"event": "Appointment Booked", "properties": booked}
        yield Act(begin, user, "track", happens, {"properties.starts_at": 77.5})
        if number % 3 != 2:
            yield Act(30, user, "sms", {"body": "Yes" if number % 3 else "R, sorry"})
    if number % 8 == 6:
        invoice = {"invoice_id": f"B{2000 + number}", "amount": 48}
        yield Act(begin, user, "track", {"event": "Payment Failed", "properties": invoice})
        if number % 16 == 6:
            yield Act(26, user, "track", {"event": "Payment Succeeded", "properties": invoice})
