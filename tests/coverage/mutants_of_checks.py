"""Ways to break what `check` refuses and what it warns of."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "One JSON Schema", "engage/project/schema.py", '    "voice",\n    "whatsapp",\n)', '    "voice",\n)'
    ),
    Mutant(
        "A text that is only a dotted name",
        "engage/domain/expression/text.py",
        "if _BARE_NAME.fullmatch(source):",
        "if False:",
    ),
    Mutant('Months and "tomorrow"', "engage/domain/timing/duration.py", "|yrs?|y|M|tomorrow|", "|yrs?|y|M|"),
    Mutant(
        "Names are kebab-case",
        "engage/domain/forms.py",
        "if not _KEBAB.match(text) or len(text) > 100:",
        "if len(text) > 100:",
    ),
    Mutant(
        "Names are kebab-case",
        "engage/project/kinds.py",
        "or node.value() == name or node in document.broken:",
        "or name or node in document.broken:",
    ),
    Mutant(
        "A trigger is exactly one form",
        "engage/domain/journey/trigger.py",
        "        if len(forms) != 1:\n            raise mistake(*self.not_one(forms))",
        "        if not forms:\n            raise mistake(*self.not_one(forms))",
    ),
    Mutant(
        "`check` warns where an event trigger",
        "engage/project/proofs/flow.py",
        'event = None if trigger is None else trigger.child("event")',
        'event = None if trigger is None else trigger.child("signal")',
    ),
    Mutant(
        "`check` warns at a longer wait",
        "engage/project/proofs/flow.py",
        "REPLY_WINDOW = timedelta(hours=72)",
        "REPLY_WINDOW = timedelta(hours=96)",
    ),
    Mutant(
        "A list item has one verb",
        "engage/domain/steps/steplist.py",
        "if len(verbs) > 1:",
        "if len(verbs) > 2:",
    ),
    Mutant(
        "A step named by `step:`",
        "engage/project/references.py",
        "by_id = {step.id: step for step in outline.walk() if step.id is not None}",
        "by_id = {step.id or step.path: step for step in outline.walk()}",
    ),
    Mutant(
        "A step named by `step:`",
        "engage/project/references.py",
        'target != "exit" and target not in by_id:',
        "not by_id:",
    ),
    Mutant(
        "A step named by `step:`",
        "engage/domain/steps/choice.py",
        "        if not self.id:\n            raise mistake(*self.NO_ID)\n",
        "",
    ),
    Mutant(
        "Printing or computing",
        "engage/project/proofs/defined.py",
        "case tree.Member() | tree.Filtered() | tree.Arithmetic() | tree.Negate():",
        "case tree.Member() | tree.Filtered():",
    ),
    Mutant(
        "Printing or computing",
        "engage/project/proofs/defined.py",
        'if "default" not in printed["body"] and',
        'if "|" not in printed["body"] and',
    ),
    Mutant(
        "A send without a topic",
        "engage/project/references.py",
        "elif topic is None and not has_topic and",
        "elif False and",
    ),
    Mutant(
        '`check` warns at "reply CANCEL',
        "engage/project/proofs/words.py",
        '_KEYWORDS = "CANCEL|END|QUIT|STOP|',
        '_KEYWORDS = "CANCEL|END|STOP|',
    ),
    Mutant(
        "`check` warns at `suppress`",
        "engage/project/proofs/consent.py",
        'if step.verb == "suppress":',
        'if step.verb == "unsubscribe":',
    ),
    Mutant(
        "`check` warns at `Email Opened`",
        "engage/project/proofs/words.py",
        'if "Email Opened" in source and "machine" not in source:',
        "if False:",
    ),
    Mutant(
        "Unreachable steps",
        "engage/project/proofs/flow.py",
        'return "else" in ways and all(ways.values())',
        "return all(ways.values())",
    ),
    Mutant(
        "Unbounded loops",
        "engage/project/proofs/chain.py",
        "        if target.reentry.every is None:\n            continue\n",
        "",
    ),
    Mutant(
        "Template variables undefined",
        "engage/project/proofs/defined.py",
        'return _join(ways if "else" in blocks else [*ways, known])',
        "return _join(ways)",
    ),
    Mutant(
        "Marketing SMS without",
        "engage/project/proofs/consent.py",
        "if policy not in (*_ASKED, Policy.NEVER):",
        "if policy not in (*_ASKED, Policy.NEVER, Policy.OPT_OUT):",
    ),
    Mutant(
        "A path that can send more than three",
        "engage/project/proofs/pace.py",
        "_DAY = timedelta(hours=24)",
        "_DAY = timedelta(hours=20)",
    ),
    Mutant(
        "Missing opt-out text",
        "engage/project/proofs/consent.py",
        "if settings.sms.opt_out_text is None and not",
        "if False and not",
    ),
    Mutant(
        "The examples of the language",
        "engage/project/proofs/outline.py",
        "    for place in (node, around):\n",
        "    for place in (around,):\n",
    ),
    Mutant(
        "Unbounded loops",
        "engage/project/proofs/chain.py",
        "return trigger.audience is not None and trigger.audience.left == audience",
        "return False",
    ),
    Mutant(
        "Missing opt-out text",
        "engage/project/proofs/consent.py",
        "texts = [str(content) for name, content in template.files.items() if name.startswith(_TEXTED)]",
        'texts = ["STOP"]',
    ),
    Mutant(
        "A path that can send more than three",
        "engage/project/proofs/pace.py",
        "MOST_A_DAY = 3\n",
        "MOST_A_DAY = 4\n",
    ),
]
