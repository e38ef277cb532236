"""Ways to break how files are read, and what `check` warns of."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "YAML 1.2 core schema",
        "engage/project/yaml/reader.py",
        "    return _WORDS.get(text, text)\n",
        '    return _WORDS.get(text, int(text[:4]) if re.fullmatch(r"\\d{4}-\\d\\d-\\d\\d", text) else text)\n',
    ),
    Mutant(
        "No merge keys",
        "engage/project/yaml/reader.py",
        'if text == "<<" and event.implicit[0]:',
        "if False:",
    ),
    Mutant(
        "No anchors and no aliases",
        "engage/project/yaml/reader.py",
        'what, sign = ("anchor", "&") if event.anchor is not None else ("tag", "!")',
        'if event.anchor is not None:\n            return\n        what, sign = "tag", "!"',
    ),
    Mutant(
        "No custom tags",
        "engage/project/yaml/reader.py",
        'what, sign = ("anchor", "&") if event.anchor is not None else ("tag", "!")',
        'if event.tag is not None:\n            return\n        what, sign = "anchor", "&"',
    ),
    Mutant(
        "Plain numbers are only",
        "engage/project/yaml/reader.py",
        '_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\\.[0-9]+)?\\Z")',
        '_NUMBER = re.compile(r"-?(?:[0-9]+)(\\.[0-9]+)?\\Z")',
    ),
    Mutant(
        "Keys are text",
        "engage/project/yaml/reader.py",
        "        mapping.keys[text] = mark\n        return text\n",
        "        mapping.keys[text] = mark\n        return str(scalar_of(text))\n",
    ),
    Mutant(
        "Duplicate keys are errors", "engage/project/yaml/reader.py", "if text in mapping.keys:", "if False:"
    ),
    Mutant(
        "Unknown keys are errors",
        "engage/project/validate.py",
        'hint = f"did you mean `{near}`?" if near else did_you_mean(key, free)',
        'hint = ""',
    ),
    Mutant(
        "Mistakes are reported as",
        "engage/project/problem.py",
        'return f"{self.path}:{self.line}:{self.column}: {label}{told}"',
        'return f"{self.path}:{self.line}: {label}{told}"',
    ),
    Mutant(
        "All mistakes of all files",
        "engage/project/validate.py",
        "        return in_order(told)\n\n    def _fault",
        "        return in_order(told)[:1]\n\n    def _fault",
    ),
    Mutant(
        "Never a traceback",
        "engage/project/yaml/reader.py",
        "    except (yaml.reader.ReaderError, UnicodeError) as exc:",
        "    except UnicodeError as exc:",
    ),
    Mutant(
        "A syntax error in or after",
        "engage/project/yaml/syntax.py",
        ", or put it on a line of its own below `{self.key}: >-`",
        "",
    ),
    Mutant(
        "An unquoted ` #` inside",
        "engage/project/yaml/reader.py",
        "elif not style and self._trap.armed:",
        "elif False:",
    ),
]
