"""The reference's page of templates: files, names, filters and tests. A filter without words here fails a test."""

from engage.cli.manual.forms import form_table
from engage.cli.manual.markdown import table, yaml
from engage.project.template_forms import Meta

FILES = {
    "sms.txt": "the text, of MMS and chat too",
    "email.html": "the mail; or `email.mjml`",
    "email.txt": "its plain text; without it, it is read off the HTML",
    "whatsapp.yaml": "an approved template, and the text inside the 24-hour window",
    "voice.yaml": "a call, or `voice.xml`: [calls](../how-to/calls.md)",
    "meta.yaml": "subject, sender and the like: [mail](../how-to/mail.md)",
}
NAMES = {
    "profile.NAME": "a trait of the person",
    "entry.NAME": "what the event (signal, date …) carried that began the run",
    "event.NAME": "what the event carried that a `wait_for` saw last; before that as `entry`",
    "run.NAME": "what a step kept with `remember`, `as` or `save_as`; `run.entered_at`",
    "with.NAME": "what the step gives: `email: {template: hello, with: {code: CART10}}`",
    "now": "this instant",
    "unsubscribe_url": "a page that ends the topic of this mail",
    "preferences_url": "a page of everything we may write about",
    "view_url": "this mail in a browser",
    "confirm_url('TOPIC')": "a page with the button of a double opt-in",
    "link('https://…')": "a short link that counts clicks, in texts; links of mails are counted as they are",
    "ago('2 days')": "now minus a duration; `ahead` plus",
    "range(3)": "0, 1, 2, to loop over",
}
DATES = {
    "{{ entry.starts_at | date | strftime('%A, %d %B') }}": "Friday, 06 March",
    "{{ entry.starts_at | date | strftime('%-d %b %Y, %H:%M') }}": "6 Mar 2026, 16:00",
    "{{ now | strftime('%d.%m.%Y') }}": "01.03.2026",
    "${{ entry.total | fixed(2) }}": "$80.50",
}
FILTERS: dict[str, tuple[str, str]] = {
    "abs": ("entry.change | abs", "without its sign"),
    "batch": ("entry.products | batch(2)", "lists of so many elements, for rows"),
    "capitalize": ("entry.colour | capitalize", "the first letter large, the others small"),
    "date": (
        "entry.starts_at | date",
        "an instant from ISO 8601, Unix seconds or a bare date, for `strftime`",
    ),
    "default": ("profile.first_name | default('there')", "stands where a value is missing; short `d`"),
    "escape": ("entry.note | escape", "HTML and XML do it by themselves; short `e`"),
    "extract": ("entry.note | extract('[0-9]+')", "the first match of a regular expression"),
    "first": ("entry.products | first", "the first element"),
    "fixed": ("entry.total | fixed(2)", "a number with so many decimal places, for money"),
    "groupby": ("entry.products | groupby('kind')", "pairs of a value and its elements"),
    "head": ("entry.products | head(3)", "the first elements or characters"),
    "items": ("entry.address | items", "pairs of key and value"),
    "join": ("entry.products | join(', ', 'name')", "elements, or a property of theirs, as one text"),
    "last": ("entry.products | last", "the last element"),
    "length": ("entry.products | length", "number of elements or characters; also `count`"),
    "lines": ("entry.note | lines", "line breaks as `<br>`, in HTML"),
    "list": ("entry.tags | list", "as a list"),
    "lower": ("entry.colour | lower", "small letters"),
    "map": ("entry.products | map(attribute='name') | list", "a property of each, or a filter on each"),
    "max": ("entry.sizes | max", "the largest"),
    "min": ("entry.sizes | min", "the smallest"),
    "number": ("profile.score | number", "a number from text, to compute with"),
    "reject": ("entry.sizes | reject('even') | list", "without the elements for which a test holds"),
    "rejectattr": (
        "entry.products | rejectattr('gone') | list",
        "without the elements whose property passes",
    ),
    "replace": ("entry.note | replace('-', ' ')", "one text for another"),
    "reverse": ("entry.products | reverse", "in the other order"),
    "round": ("entry.total | round(1)", "half up"),
    "safe": ("entry.note | safe", "not escaped: only for HTML that is yours"),
    "select": ("entry.sizes | select('odd') | list", "the elements for which a test holds"),
    "selectattr": ("entry.products | selectattr('name') | list", "the elements whose property passes"),
    "sort": ("entry.products | sort(attribute='price')", "in order; `sort(reverse=true)`"),
    "strftime": (
        "entry.starts_at | date | strftime('%d %B')",
        "an instant on the person's own wall, see below",
    ),
    "string": ("entry.total | string", "as text"),
    "striptags": ("entry.note | striptags", "without HTML"),
    "sum": ("entry.products | sum('price')", "the sum, of a property of theirs"),
    "tail": ("profile.phone | tail(4)", "the last elements or characters"),
    "title": ("entry.colour | title", "Every Word Capitalised"),
    "trim": ("entry.note | trim", "without white space at both ends"),
    "truncate": ("entry.note | truncate(20)", "at most so long, with `…`"),
    "unique": ("entry.tags | unique", "each once"),
    "upper": ("entry.colour | upper", "capitals"),
    "urlencode": ("entry.colour | urlencode", "for a part of an address"),
    "wordcount": ("entry.note | wordcount", "how many words"),
}
SHORT = {"d": "default", "e": "escape", "count": "length"}
"""Filters with a second name."""
LOOP = """<p>{% if profile.first_name %}Dear {{ profile.first_name }}{% else %}Hello{% endif %},</p>
{% for item in entry.products | default([]) | head(3) %}
<p>{{ loop.index }}. {{ item.name }}, ${{ item.price | fixed(2) }}</p>
{% endfor %}
{% include 'foot.html' %}"""


def templates_page() -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Templates",
            "",
            "`templates/NAME/`: what people get to see, a folder for each message, a file for each channel.",
            "",
            *table(("file", "holds"), [(f"`{name}`", words) for name, words in FILES.items()]),
            "",
            "Another language is a file beside it: `sms.fr.txt`, `email.pt-BR.html`, `meta.de.yaml`. The trait `locale` chooses: exactly, by language,",
            "then by `settings.locale`; else the plain file is taken. Names are letters, digits, `-`, `_`; folders may hold folders (`cart/nudge`).",
            "",
            "## Values",
            "",
            "Between `{{ }}`. Whoever would read a value that is missing gets no message: it is `skipped` as `render_failed`. `default` says what stands there instead.",
            "",
            *table(("name", "is"), [(f"`{name}`", words) for name, words in NAMES.items()]),
            "",
            "## Days, times and money",
            "",
            "What an event carries as an instant is text: `date` makes it one, `strftime` writes it, on the person's own wall clock. Names of days and months",
            "are English; in another language write the month as a number.",
            "",
            *table(
                ("in the template", "people read"),
                [(f"`{text}`", f"`{shown}`") for text, shown in DATES.items()],
            ),
            "",
            "`%d` day, `%-d` without a zero, `%m` month, `%B` its name, `%b` short, `%Y` year, `%A` day of the week, `%a` short, `%H:%M` time, `%I:%M %p` with AM and PM.",
            "",
            "## Conditions, lists, parts",
            "",
            "```html",
            *LOOP.splitlines(),
            "```",
            "",
            "`if` may ask for what is missing. Parts that several messages share, layouts and macros lie in `templates/_shared/` (`foot.html` there).",
            "",
            "## Filters",
            "",
            "After `|`, several in a row.",
            "",
            *table(
                ("name", "gives", "example"),
                [(f"`{name}`", words, f"`{example}`") for name, (example, words) in FILTERS.items()],
            ),
            "",
            "After `is` or `is not` stand the tests of [expressions](expressions.md#tests), and `odd`, `even`, `divisibleby(3)`.",
            "",
            "## meta.yaml",
            "",
            *yaml(
                "",
                'subject: "{{ entry.name }} is back"\npreheader: Whoever orders first has it.\nfrom: Shop <hello@shop.example>',
            ),
            "",
            *form_table(Meta),
        ]
    )
