"""Publishing templates: every file checked and compiled once; all mistakes of all files in one go."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateSyntaxError
from jinja2.environment import Template

from engage.templating.check import Finding, Use, findings, uses
from engage.templating.environment import StrictEnvironment, render_text
from engage.templating.flatten import CannotFlattenError, flatten
from engage.templating.mail import MailError, compile_mjml, inline_css, with_preheader
from engage.templating.mail_lint import Doubt, lint
from engage.templating.meta import Meta, compile_meta
from engage.templating.pieces import Piece, join, split
from engage.templating.plain_text import text_template
from engage.templating.source import (
    SHARED,
    FileName,
    TemplateProblem,
    TemplateSource,
    choose,
    name_hint,
    read_name,
)
from engage.templating.syntax_words import in_words
from engage.templating.template_set import DERIVED, FINAL, Locale, MailPart, Published, TemplateSet
from engage.templating.values import rendering
from engage.templating.voice import Text, VoiceScript
from engage.templating.voice_reading import compile_voice, handwritten_mistake
from engage.templating.whatsapp import WhatsappScript, compile_whatsapp

MAX_SOURCE = 500_000
"""Characters of one file."""
REMEMBERED = 32
"""Partials whose examination is not repeated: every template written inside a scenario comes with all of the project's.
Measured on the sample project: `engage check` takes 0.5 instead of 1.4 CPU seconds."""

Secrets = Callable[[str], str | None]
_Examine = Callable[[str, str, tuple[str, ...], bool], tuple[Sequence[Finding], Sequence[Use]]]
_PARSER = StrictEnvironment({})


def compile_templates(
    sources: Iterable[TemplateSource],
    shared: Mapping[str, str] | None = None,
    secrets: Secrets = lambda name: None,
) -> tuple[TemplateSet, list[TemplateProblem]]:
    """Compile templates and say everything that is wrong with them.

    Args:
        sources: the templates.
        shared: partials of `_shared/`, by file name.
        secrets: gives the value of `secret('NAME')`, none if there is none.

    Returns:
        The templates without mistakes, and all problems in order of file and line.
    """
    sources = list(sources)
    files = {f"{SHARED}/{name.removeprefix(f'{SHARED}/')}": text for name, text in (shared or {}).items()}
    partials = tuple(files)
    files |= {f"{source.name}/{name}": text for source in sources for name, text in source.files.items()}
    environment = StrictEnvironment(files)
    problems: list[TemplateProblem] = []
    for name in partials:
        _Compiler(environment, files, partials, secrets, problems).partial(name)
    published: dict[str, Published] = {}
    for source in sources:
        compiler = _Compiler(environment, files, partials, secrets, problems)
        result = compiler.template(source)
        if not compiler.failed:
            published[source.name] = result
    return TemplateSet(environment, published), sorted(problems)


def _examined(
    full: str, text: str, partials: tuple[str, ...], secrets: bool
) -> tuple[Sequence[Finding], Sequence[Use]]:
    """Return what is wrong with one source, and what it reads.

    Raises:
        TemplateSyntaxError: it does not parse.
        RecursionError: it is nested too deeply.
    """
    tree = _PARSER.parse(text, full)
    return tuple(findings(tree, partials, secrets=secrets)), tuple(uses(tree))


_examined_before: _Examine = lru_cache(maxsize=REMEMBERED)(_examined)


class _Compiler:
    """Compiles one template, and collects what is wrong."""

    def __init__(
        self,
        environment: StrictEnvironment,
        files: dict[str, str],
        partials: tuple[str, ...],
        secrets: Secrets,
        problems: list[TemplateProblem],
    ) -> None:
        self.failed = False
        self._environment = environment
        self._files = files
        self._partials = partials
        self._secrets = secrets
        self._problems = problems
        self._uses: list[Use] = []

    def partial(self, name: str) -> None:
        """Check a partial by itself."""
        self._parsed(name, self._files[name], examine=_examined_before)

    def template(self, source: TemplateSource) -> Published:
        """Compile one template; worth nothing if `failed` then."""
        texts: dict[str, dict[Locale, Template]] = {}
        voices: dict[Locale, VoiceScript | Template] = {}
        whatsapps: dict[Locale, WhatsappScript] = {}
        documents = source.all_documents()
        metas = {
            name.locale: self._meta(source, file, documents)
            for file, name in self._named(source, documents, "meta")
        }
        for file, name in self._named(source, source.files, None):
            full = f"{source.name}/{file}"
            if not self._parsed(full, source.files[file]) or name.kind == "email":
                continue
            template = self._environment.get_template(full)
            if name.kind == "voice":
                wrong = handwritten_mistake(source.files[file])
                if wrong is not None:
                    self._report(source.name, file, 1, wrong, "")
                voices[name.locale] = template
            else:
                texts.setdefault(name.kind, {})[name.locale] = template
        for file, name in self._named(source, documents, "voice"):
            script = compile_voice(
                documents[file], self._text_compiler(source, file), self._reporter(source, file)
            )
            if script is not None:
                voices[name.locale] = script
        for file, name in self._named(source, documents, "whatsapp"):
            found = compile_whatsapp(
                documents[file], self._text_compiler(source, file), self._reporter(source, file)
            )
            if found is not None:
                whatsapps[name.locale] = found
        mails = {} if self.failed else self._mails(source, metas)
        if mails and not any(meta.subject for meta in metas.values()):
            self._warn(source, "meta.yaml", "the mail has no subject", "write `subject: …` into meta.yaml")
        return Published(
            name=source.name,
            version=source.version,
            metas=metas,
            mails=mails,
            texts=texts,
            voices=voices,
            whatsapps=whatsapps,
            uses=_merged(self._uses),
        )

    # --- files ---

    def _named(
        self, source: TemplateSource, files: Iterable[str], kind: str | None
    ) -> list[tuple[str, FileName]]:
        """Return the files of a kind; of `None`: those that are text, complaining about the others."""
        found = []
        for file in sorted(files):
            name = read_name(file)
            if name is None:
                if kind in {None, "meta"}:
                    self._warn(source, file, "this file is not used", name_hint(file))
            elif (kind is None and name.form != "yaml") or name.kind == kind:
                found.append((file, name))
        return found

    def _meta(self, source: TemplateSource, file: str, documents: Mapping[str, Any]) -> Meta:
        given = documents[file]
        base = documents.get("meta.yaml", {})
        if file != "meta.yaml" and isinstance(given, Mapping) and isinstance(base, Mapping):
            given = {**base, **given}
        return compile_meta(given, self._text_compiler(source, file), self._reporter(source, file))

    def _parsed(self, full: str, text: str, *, secrets: bool = False, examine: _Examine = _examined) -> bool:
        """Parse one source and report what is wrong with it; returns whether it can be compiled."""
        if len(text) > MAX_SOURCE:
            self._report_full(full, 1, f"the file has more than {MAX_SOURCE} characters", "")
            return False
        if "\0" in text:
            # No database takes it, and who reads HTML drops it: what it kept apart could then be a construct.
            line = 1 + text.count("\n", 0, text.index("\0"))
            self._report_full(full, line, "the file holds U+0000", "save it as UTF-8 text")
            return False
        try:
            found, used = examine(full, text, self._partials, secrets)
        except TemplateSyntaxError as exc:
            self._report_full(full, exc.lineno, *in_words(exc.message))
            return False
        except RecursionError:
            self._report_full(full, 1, "the template is nested too deeply", "")
            return False
        for finding in found:
            self._report_full(full, finding.line, finding.message, finding.hint)
        self._uses += used
        return not found

    # --- texts of YAML files ---

    def _text_compiler(self, source: TemplateSource, file: str) -> Callable[[str, str, bool], Text]:
        def compile_text(where: str, text: str, secrets: bool) -> Text:
            full = f"{source.name}/{file}#{where}"
            if not self._parsed(full, text, secrets=secrets):
                return lambda values: ""
            self._files[full] = text
            template = self._environment.get_template(full)
            return _with_secrets(template, self._secrets) if secrets else _plain(template)

        return compile_text

    # --- mail ---

    def _mails(self, source: TemplateSource, metas: Mapping[Locale, Meta]) -> dict[Locale, MailPart]:
        html: dict[Locale, str] = {}
        text: dict[Locale, str] = {}
        for file, name in self._named(source, source.files, None):
            if name.kind != "email":
                continue
            kind = text if name.form == "txt" else html
            if name.locale in kind:
                self._report(
                    source.name, file, 1, "there are two of this", f"keep `{file}` or `{kind[name.locale]}`"
                )
            kind[name.locale] = file
        mails = {locale: self._mail(source, file, locale, metas) for locale, file in html.items()}
        for locale, file in text.items():
            template = self._environment.get_template(f"{source.name}/{file}")
            mails[locale] = MailPart(html=mails[locale].html if locale in mails else None, text=template)
        return mails

    def _mail(
        self, source: TemplateSource, file: str, locale: Locale, metas: Mapping[Locale, Meta]
    ) -> MailPart:
        full = f"{source.name}/{file}"
        is_there, chosen = choose(metas, locale, None) if metas else (False, None)
        preheader = metas[chosen].preheader if is_there else None
        pieces = self._pieces(full, file)
        if pieces is None:
            return MailPart()
        whole = with_preheader(pieces, preheader)
        try:
            template = self._final(full, inline_css(whole)) or self._final(full, whole)
        except MailError as exc:
            self._report(source.name, file, 1, str(exc), "")
            return MailPart()
        if template is None:
            self._report(source.name, file, 1, "this mail and its partials do not make one whole", "")
            return MailPart()
        final = self._files[full + FINAL]
        self._lint(source, file, lint(pieces, final, metas[chosen].subject_source if is_there else None))
        text = text_template(pieces)
        if text is None:
            return MailPart(html=template)
        self._files[full + DERIVED] = text
        try:
            return MailPart(
                html=template, text=self._environment.get_template(full + DERIVED), is_derived=True
            )
        except TemplateSyntaxError:
            # Constructs that only make sense with the tags around them: the text is read off the rendered mail.
            return MailPart(html=template)

    def _final(self, full: str, html: Sequence[Piece]) -> Template | None:
        """Compile the mail as it leaves; None where it lost a part: a style around half a construct takes it along."""
        self._files[full + FINAL] = join(html)
        try:
            return self._environment.get_template(full + FINAL)
        except TemplateSyntaxError:
            return None

    def _pieces(self, full: str, file: str) -> list[Piece] | None:
        """Return the mail as HTML with its partials in it."""
        is_mjml = file.endswith(".mjml")
        find = self._environment.sources.find
        try:
            pieces = flatten(self._files[full], lambda name: self._files.get(find(name) or ""))
        except CannotFlattenError as exc:
            if is_mjml:
                self._report_full(
                    full,
                    1,
                    f"MJML must be whole when it is published: {exc}",
                    "use plain includes and blocks",
                )
                return None
            return split(self._files[full])
        if not is_mjml:
            return pieces
        try:
            return compile_mjml(pieces)
        except MailError as exc:
            self._report_full(full, 1, str(exc), "")
            return None

    def _lint(self, source: TemplateSource, file: str, doubts: Iterable[Doubt]) -> None:
        text = self._files[f"{source.name}/{file}"]
        for message, hint, about in doubts:
            at = text.find(about) if about else -1
            self._warn(source, file, message, hint, line=text.count("\n", 0, at) + 1 if at > 0 else 1)

    # --- problems ---

    def _reporter(self, source: TemplateSource, file: str) -> Callable[[str, str, str], None]:
        def report(where: str, message: str, hint: str) -> None:
            self._report(source.name, file, 1, message, hint, where=where, about_form=True)

        return report

    def _report_full(self, full: str, line: int, message: str, hint: str) -> None:
        file, _, where = full.partition("#")
        template, _, name = file.rpartition("/")
        self._report(template, name, 1 if where else line, message, hint, where=where)

    def _report(
        self,
        template: str,
        file: str,
        line: int,
        message: str,
        hint: str,
        *,
        where: str = "",
        about_form: bool = False,
    ) -> None:
        self.failed = True
        self._problems.append(
            TemplateProblem(
                file=f"{template}/{file}",
                line=line,
                message=message,
                hint=hint,
                where=where,
                about_form=about_form,
            )
        )

    def _warn(self, source: TemplateSource, file: str, message: str, hint: str, *, line: int = 1) -> None:
        problem = TemplateProblem(
            file=f"{source.name}/{file}", line=line, message=message, hint=hint, is_warning=True
        )
        if problem not in self._problems:
            self._problems.append(problem)


def _plain(template: Template) -> Text:
    return lambda values: render_text(template, values)


def _with_secrets(template: Template, secrets: Secrets) -> Text:
    def text(values: dict[str, Any]) -> str:
        rendering.secrets = secrets
        try:
            return render_text(template, values)
        finally:
            rendering.secrets = None

    return text


def _merged(found: Iterable[Use]) -> tuple[Use, ...]:
    """One use per path; a value that one file reads unguarded is needed."""
    by_path: dict[str, Use] = {}
    for use in found:
        known = by_path.get(use.path)
        if known is None or (known.is_optional and not use.is_optional):
            by_path[use.path] = use
    return tuple(sorted(by_path.values()))
