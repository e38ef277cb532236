"""A no in a mail: what somebody writes back to be left alone, in the languages that shops write in.

Read as a whole line, folded (case, accents and punctuation are gone): the first line they wrote, or the subject. A
sentence with such a word in it is a reply like any other, for people to read. A project's own rule pack adds words
(`words:` of a rule whose channels hold `email`).
"""

import re
import unicodedata

_WORDS = {
    "en": """
        unsubscribe | unsubscribe me | please unsubscribe | please unsubscribe me | unsubscribe please | stop | stop all | stopall
        | please stop | stop emails | stop emailing me | opt out | optout | opt me out | remove me | please remove me | remove me please
        | remove me from this list | remove me from your list | take me off this list | take me off your list
    """,
    "de": """
        abmelden | bitte abmelden | abmeldung | abbestellen | bitte abbestellen | newsletter abbestellen | newsletter abmelden | austragen
        | bitte austragen | stopp | keine e mails mehr | keine mails mehr | keine werbung mehr
    """,
    "fr": """
        desabonner | desabonnez moi | me desabonner | se desabonner | desabonnement | je me desabonne | desinscription | desinscrire
        | me desinscrire | se desinscrire | desinscrivez moi | arret | arreter
    """,
    "es": """
        baja | darme de baja | dar de baja | dame de baja | deme de baja | cancelar suscripcion | cancelar la suscripcion
        | anular suscripcion | desuscribir | desuscribirme | desuscribirse | no mas correos
    """,
    "it": "disiscrivi | disiscrivimi | disiscrivermi | cancellami | cancella iscrizione | annulla iscrizione | disdetta",
    "nl": "afmelden | uitschrijven | meld mij af | schrijf mij uit | afmelding",
    "pt": "cancelar inscricao | cancelar assinatura | cancelar subscricao | descadastrar | me descadastre | remover",
    "ja": "配信停止 | 登録解除 | 購読解除 | 配信を停止してください",
}
_NOT_LETTERS = re.compile(r"[\W_]+")
_QUOTED = re.compile(r">|\|")


def folded(text: str) -> str:
    """Return a text as words alone: no case, accents, dots or spaces beyond one."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)
    )
    return _NOT_LETTERS.sub(" ", unicodedata.normalize("NFKC", bare).casefold()).strip()


NOES = frozenset(folded(word) for words in _WORDS.values() for word in words.split("|"))
"""Every line that is a no by itself."""


def first_line(body: str) -> str:
    """Return the first line somebody wrote, of a mail that may quote ours below or above."""
    lines = (line.strip() for line in body.splitlines())
    return next((line for line in lines if line and not _QUOTED.match(line)), "")


def is_no(subject: str | None, body: str) -> bool:
    """Return whether a mail says, by its first line or by its subject, nothing but no."""
    return folded(first_line(body)) in NOES or folded(subject or "") in NOES
