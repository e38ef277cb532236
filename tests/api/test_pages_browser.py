"""The pages behind our links in a real browser: readable, labelled, narrow enough for any phone, in the reader's language."""

import json
import re
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.links.token import Confirm, LinkToken, Preferences, make_token
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import Changes
from tests.api.world import NOW, SECRETS, SETTINGS, World
from tests.console.test_browser import FLAGS, listening_to

ADA = ProfileId("019ca945-0a00-71df-b438-00000000ada0")
DELIVERY = DeliveryId("019ca945-0a00-71df-b438-2f9007a7c4a0")
MAIL = "ada.with.quite.a.long.name.indeed@a-long-domain.shop.example"
PAGES = {
    "name": "Fennel & Finch",
    "accent": "#0a7d4f",
    "home": "https://shop.example/",
    "footer": "Fennel & Finch, 1 Market Street",
}
TOPICS: dict[str, Any] = {
    "newsletter": {"title": "News", "email": "double_opt_in"},
    "promotions": {
        "title": "Offers",
        "description": "What is new, and what is worth it: once a week at most.",
        "translations": {"de": {"title": "Angebote", "description": "Höchstens einmal in der Woche."}},
        "email": "opt_out",
        "sms": "opt_in",
        "voice": "opt_in",
    },
}
PROBE = """
<!doctype html><meta charset="utf-8"><pre id="result">nothing</pre><script>
const channel = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const shade = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number);
  return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const under = element => { for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!/, 0\\)$/.test(colour) && colour !== "transparent") return colour; }
  return "rgb(255, 255, 255)"; };
fetch(PATH, {headers: {accept: "text/html", "accept-language": LANGUAGE}}).then(a => a.text()).then(text => {
  const frame = document.createElement("iframe");
  frame.style.cssText = "border:0;height:800px;width:" + WIDTH + "px";
  frame.srcdoc = text;
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const read = [...page.querySelectorAll("h1,p,span,legend,button,a,footer,header,strong")];
    const inputs = [...page.querySelectorAll("input")];
    document.getElementById("result").textContent = JSON.stringify({
      lang: root.lang, title: page.title, wide: root.scrollWidth - root.clientWidth,
      contrast: Math.min(...read.map(e => ratio(shade(getComputedStyle(e).color), shade(under(e))))),
      letters: Math.min(...read.map(e => parseFloat(getComputedStyle(e).fontSize))),
      unlabelled: inputs.filter(i => i.labels.length !== 1).length,
      described: inputs.filter(i => (i.getAttribute("aria-describedby") || "").split(" ").some(id => id && !page.getElementById(id))).length,
      near: [...page.querySelectorAll("button")].some((one, at, all) => { const next = all[at + 1];
        if (!next) return false; const a = one.getBoundingClientRect(), b = next.getBoundingClientRect();
        return b.left < a.right + 8 && b.top < a.bottom + 8; }),
      low: [...page.querySelectorAll("label,button")].filter(e => e.getBoundingClientRect().height < 44).length,
      headings: page.querySelectorAll("h1").length, mains: page.querySelectorAll("main").length,
      reached: inputs.concat([...page.querySelectorAll("button,a")]).filter(e => e.tabIndex < 0).length,
      text: page.body.innerText });
  };
  document.body.append(frame);
});
</script>
"""


def probe(request: Request) -> HTMLResponse:
    """A page that looks at another one through a frame of some width."""
    page = PROBE
    for name in ("path", "language", "width"):
        page = page.replace(name.upper(), json.dumps(request.query_params[name]))
    return HTMLResponse(page)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a shop with one customer."""
    world = World({**SETTINGS, "topics": TOPICS, "pages": PAGES})
    names = [Identifier("email", MAIL), Identifier("phone", "+14155550101")]
    ada = Profile(id=ADA, bucket_key="b", created_at=NOW, lane=1, identifiers=names)
    with world.store.transaction() as tx:
        tx.write(Changes(profiles={ADA: ada}, identifiers=[(name, ADA) for name in names]))
    app = Starlette(routes=[Route("/probe", probe), Mount("/", world.app)])
    with listening_to(app) as address:
        yield address.removesuffix("/console")


def link(token: LinkToken) -> str:
    return make_token(token, SECRETS)


CHOICES = "/u/" + link(
    Preferences(channel="email", address=MAIL, topic="promotions", delivery=DELIVERY, profile=ADA)
)
CONFIRM = "/c/" + link(Confirm(channel="email", address=MAIL, topic="promotions", profile=ADA))
EVERY = {"choices": CHOICES, "confirm": CONFIRM, "lost": "/u/nothing"}
LANGUAGES = {"en": "Offers", "de": "Angebote", "fr": "Offers", "es": "Offers"}


def looked_at(
    chromium: Path, folder: Path, address: str, path: str, language: str, width: int
) -> dict[str, Any]:
    """Return what the browser measures."""
    url = f"{address}/probe?path={quote(path)}&language={language}&width={width}"
    done = subprocess.run(
        [str(chromium), *FLAGS, f"--user-data-dir={folder}", url],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    result = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert result is not None, done.stdout
    measured: dict[str, Any] = json.loads(unescape(result[1]))
    return measured


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("language", "width"), [("en", 320), ("de", 320), ("fr", 390), ("es", 1280)])
def test_a_page_can_be_read_and_used_by_anybody(
    chromium: Path, tmp_path: Path, address: str, name: str, language: str, width: int
) -> None:
    page = looked_at(chromium, tmp_path, address, EVERY[name], language, width)

    assert (page["lang"], page["headings"], page["mains"]) == (language, 1, 1)
    assert page["wide"] <= 0
    assert not page["near"], "a thumb that saves must not leave everything"
    assert page["contrast"] >= 4.5
    assert page["letters"] >= 14
    assert [page[what] for what in ("unlabelled", "described", "low", "reached")] == [0, 0, 0, 0]
    assert page["title"].endswith("· Fennel & Finch")
    assert name == "lost" or LANGUAGES[language] in page["text"]
