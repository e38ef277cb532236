"""Ways to break templates, and what is refused in expressions."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "The files of a template",
        "engage/templating/source.py",
        '"email": ("html", "mjml", "txt"),',
        '"email": ("html", "txt"),',
    ),
    Mutant(
        "`email.txt` is derived",
        "engage/templating/template_set.py",
        "            text = tidy(text) if part.is_derived else text\n",
        '            text = "" if part.is_derived else text\n',
    ),
    Mutant(
        "Locale: exact",
        "engage/templating/source.py",
        'wanted += [name, name.partition("-")[0]]',
        'wanted += [name.partition("-")[0], name]',
    ),
    Mutant(
        "Otherwise it is a refused delivery",
        "engage/templating/values.py",
        "    if isinstance(value, Missing):\n        raise MissingValueError(value.path)\n    if isinstance(value, bool | list",
        '    if isinstance(value, Missing):\n        return ""\n    if isinstance(value, bool | list',
    ),
    Mutant(
        "`if` and tests may look",
        "engage/templating/values.py",
        "    def __bool__(self) -> bool:\n        return False\n",
        "    def __bool__(self) -> bool:\n        raise MissingValueError(self.path)\n",
    ),
    Mutant(
        "Variables: `profile entry",
        "engage/templating/template_set.py",
        '"preferences_url": Lazy(lambda: links.preferences_url),',
        '"preferences_url": Lazy(lambda: links.unsubscribe_url),',
    ),
    Mutant(
        "HTML, MJML and XML autoescape",
        "engage/templating/environment.py",
        "return name is not None and name.endswith(MARKUP)",
        "return False",
    ),
    Mutant(
        "Bounded in time, memory",
        "engage/templating/values.py",
        "        if self.steps < 0:\n",
        "        if False:\n",
    ),
    Mutant(
        "MJML compiled, CSS inlined",
        "engage/templating/mail.py",
        "if not _STYLE.search(join(pieces)):",
        "if True:",
    ),
    Mutant(
        "Marketing mail gets RFC 8058",
        "engage/templating/template_set.py",
        '        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",\n',
        "",
    ),
    Mutant(
        "SMS segments are counted",
        "engage/templating/gsm.py",
        "return _parts(text, _EXTENDED, GSM7_SINGLE, GSM7_PART)",
        "return _parts(text, set(), GSM7_SINGLE, GSM7_PART)",
    ),
    Mutant(
        "`whatsapp.yaml`: an approved",
        "engage/templating/whatsapp.py",
        "(self.content is not None and not window_open)",
        "self.content is not None",
    ),
    Mutant(
        "`sms.opt_out_text` is added",
        "engage/templating/template_set.py",
        'body = f"{body}\\n{request.opt_out_line}"',
        'body = f"{body} {request.opt_out_line}"',
    ),
    Mutant(
        "Refused with position and hint",
        "engage/domain/expression/refusals.py",
        "\"write `['a', 'b']`\"",
        '"write something else"',
    ),
    Mutant(
        "Over 4,000 characters",
        "engage/domain/expression/lexing.py",
        "MAX_LENGTH = 4_000\n",
        "MAX_LENGTH = 40_000\n",
    ),
    Mutant(
        "`now`; in audiences",
        "engage/domain/expression/places.py",
        'Place.AUDIENCE: Rules(label="an audience", timed=True),',
        'Place.AUDIENCE: Rules(label="an audience"),',
    ),
    Mutant(
        "Comparing data with an instant",
        "engage/domain/expression/check.py",
        "                if other is Type.INSTANT and kind in _NEVER_INSTANTS:\n",
        "                if False:\n",
    ),
    Mutant(
        "Publishing activates at once",
        "engage/engine/publish/backfill.py",
        "    react(turn, person, touched=Touched(everything=True))\n",
        "",
    ),
    Mutant(
        "Partials and macros",
        "engage/templating/environment.py",
        'for candidate in (name, f"_shared/{name}"):',
        "for candidate in (name,):",
    ),
    Mutant(
        "`confirm_url` opens a page",
        "engage/api/links.py",
        '("/c/{token}", "GET", links.confirmation),',
        '("/c/{token}", "GET", links.confirm),',
    ),
    Mutant(
        "A call: `say gather on",
        "engage/templating/voice_reading.py",
        'self._verbs("on_machine", document.get("on_machine", []))',
        'self._verbs("on_machine", [])',
    ),
    Mutant(
        "A call: `say gather on",
        "engage/templating/voice_reading.py",
        '            self._verbs(f"{where}.otherwise", item.get("otherwise", []), in_branch=True),\n',
        '            self._verbs(f"{where}.otherwise", [], in_branch=True),\n',
    ),
    Mutant(
        "A call: `say gather on",
        "engage/templating/voice_reading.py",
        "        if machine not in MACHINES:\n",
        '        if machine == "voicemail":\n            return "detect"\n        if machine not in MACHINES:\n',
    ),
]
