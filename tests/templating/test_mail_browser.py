"""The sample shop's mails in a real browser, by day and by night: every word can be read against what lies behind it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engage.templating.flatten import flatten
from engage.templating.mail import compile_mjml
from engage.templating.pieces import Kind
from tests.sandbox.browser import Browser, browsing

TEMPLATES = Path(__file__).parents[2] / "templates"
STARTER = Path(__file__).parents[2] / "engage/project/starter/templates"
MAILS = sorted(path for root in (TEMPLATES, STARTER) for path in root.rglob("email*.*ml"))
LEAST_CONTRAST = 4.5
"""WCAG 2.1, 1.4.3; large words (24 px, or 18.66 px bold) need 3."""
FAINT = """
(() => {
  const channel = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const shade = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const under = element => { for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour) && colour !== "transparent") return colour; }
    return NIGHT ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)"; };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!words || /[\\u200c\\u00ad\\u034f]/.test(words) || style.visibility === "hidden" || !box.width || box.height < 4
        || parseFloat(style.fontSize) < 4 || style.display === "none" || +style.opacity === 0) continue;
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    const found = ratio(shade(style.color), shade(under(element)));
    if (found < (isLarge ? 3 : LEAST)) faint.push(`${words.slice(0, 40)}: ${found.toFixed(2)} (${style.color} on ${under(element)})`);
  }
  return faint;
})()
"""


@pytest.fixture(scope="module")
def browser(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(chromium, tmp_path_factory.mktemp("profile")) as found:
        yield found


def sample(path: Path) -> str:
    """Return a mail's HTML as it leaves, a word standing for every value."""
    shared = TEMPLATES / "_shared"

    def find(name: str) -> str | None:
        there = shared / name.removeprefix("_shared/")
        return there.read_text() if there.is_file() else None

    pieces = flatten(path.read_text(), find)
    if path.suffix == ".mjml":
        pieces = compile_mjml(pieces)
    return "".join(
        "Word" if piece.kind is Kind.PRINT else piece.source
        for piece in pieces
        if piece.kind in (Kind.TEXT, Kind.PRINT)
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", MAILS, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_word_of_a_sample_mail_can_be_read(
    browser: Browser, path: Path, scheme: str, tmp_path: Path
) -> None:
    page = tmp_path / "mail.html"
    page.write_text(sample(path))
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    browser.open(page.as_uri())

    script = FAINT.replace("LEAST", str(LEAST_CONTRAST)).replace("NIGHT", json.dumps(scheme == "dark"))
    assert browser.value(script) == []
    assert len(re.sub(r"\s", "", browser.text())) > 40
