"""Page words: what the pages behind our links say, in the languages they speak, and which language a reader gets."""

import re
from dataclasses import dataclass, field
from typing import Any

FALLBACK = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language."""

    preferences: str
    choose: str
    about: str
    save: str
    saved: str
    leave_all: str
    left_all: str
    nothing: str
    everything: str
    stopped: str
    unsubscribed: str
    no_more: str
    changed_mind: str
    confirm: str
    question: str
    yes: str
    thanks: str
    confirmed: str
    lost: str
    lost_why: str
    gone: str
    gone_why: str
    home: str
    channels: dict[str, str] = field(default_factory=dict)


WORDS = {
    "en": Words(
        preferences="Your preferences",
        choose="Choose what you want to hear from us.",
        about="These choices are for {address}.",
        save="Save",
        saved="Saved.",
        leave_all="Unsubscribe from everything",
        left_all="You are unsubscribed from everything.",
        nothing="There is nothing to choose here.",
        everything="Everything",
        stopped="You sent STOP. Send START to the same number to get these again.",
        unsubscribed="Unsubscribed",
        no_more="You will not get these messages any more.",
        changed_mind="See all your choices",
        confirm="Please confirm",
        question="Do you want to get “{topic}” by {channel}?",
        yes="Yes, I do",
        thanks="Thank you",
        confirmed="Your subscription is confirmed.",
        lost="This link does not work",
        lost_why="It is not one of ours, or a part of it is missing. Open it from the message once more.",
        gone="This message is no longer kept",
        gone_why="We keep messages for a while only.",
        home="To our site",
        channels={
            "email": "e-mail",
            "sms": "text message",
            "whatsapp": "WhatsApp",
            "voice": "phone call",
            "chat": "chat",
        },
    ),
    "de": Words(
        preferences="Ihre Einstellungen",
        choose="Wählen Sie, was Sie von uns hören möchten.",
        about="Diese Auswahl gilt für {address}.",
        save="Speichern",
        saved="Gespeichert.",
        leave_all="Alles abbestellen",
        left_all="Sie haben alles abbestellt.",
        nothing="Hier gibt es nichts auszuwählen.",
        everything="Alles",
        stopped="Sie haben STOP gesendet. Senden Sie START an dieselbe Nummer, um diese Nachrichten wieder zu erhalten.",
        unsubscribed="Abbestellt",
        no_more="Sie erhalten diese Nachrichten nicht mehr.",
        changed_mind="Alle Einstellungen ansehen",
        confirm="Bitte bestätigen",
        question="Möchten Sie „{topic}“ per {channel} erhalten?",
        yes="Ja, gerne",
        thanks="Vielen Dank",
        confirmed="Ihre Anmeldung ist bestätigt.",
        lost="Dieser Link funktioniert nicht",
        lost_why="Er stammt nicht von uns, oder ein Teil davon fehlt. Öffnen Sie ihn noch einmal aus der Nachricht.",
        gone="Diese Nachricht ist nicht mehr verfügbar",
        gone_why="Wir bewahren Nachrichten nur eine Zeit lang auf.",
        home="Zu unserer Website",
        channels={"email": "E-Mail", "sms": "SMS", "whatsapp": "WhatsApp", "voice": "Anruf", "chat": "Chat"},
    ),
    "fr": Words(
        preferences="Vos préférences",
        choose="Choisissez ce que vous souhaitez recevoir de notre part.",
        about="Ces choix concernent {address}.",
        save="Enregistrer",
        saved="Enregistré.",
        leave_all="Se désabonner de tout",
        left_all="Vous êtes désabonné de tout.",
        nothing="Il n’y a rien à choisir ici.",
        everything="Tout",
        stopped="Vous avez envoyé STOP. Envoyez START au même numéro pour recevoir de nouveau ces messages.",
        unsubscribed="Désabonnement effectué",
        no_more="Vous ne recevrez plus ces messages.",
        changed_mind="Voir tous vos choix",
        confirm="Veuillez confirmer",
        # No line begins with a mark: the blanks before it do not break.
        question="Souhaitez-vous recevoir «\u00a0{topic}\u00a0» par {channel}\u202f?",
        yes="Oui, je le souhaite",
        thanks="Merci",
        confirmed="Votre abonnement est confirmé.",
        lost="Ce lien ne fonctionne pas",
        lost_why="Il ne vient pas de nous, ou il est incomplet. Ouvrez-le de nouveau depuis le message.",
        gone="Ce message n’est plus disponible",
        gone_why="Nous ne conservons les messages qu’un certain temps.",
        home="Vers notre site",
        channels={
            "email": "e-mail",
            "sms": "SMS",
            "whatsapp": "WhatsApp",
            "voice": "téléphone",
            "chat": "chat",
        },
    ),
    "es": Words(
        preferences="Sus preferencias",
        choose="Elija qué quiere recibir de nosotros.",
        about="Estas opciones son para {address}.",
        save="Guardar",
        saved="Guardado.",
        leave_all="Cancelar todas las suscripciones",
        left_all="Ha cancelado todas las suscripciones.",
        nothing="Aquí no hay nada que elegir.",
        everything="Todo",
        stopped="Usted envió STOP. Envíe START al mismo número para volver a recibir estos mensajes.",
        unsubscribed="Suscripción cancelada",
        no_more="Ya no recibirá estos mensajes.",
        changed_mind="Ver todas sus opciones",
        confirm="Confirme, por favor",
        question="¿Quiere recibir «{topic}» por {channel}?",
        yes="Sí, quiero",
        thanks="Gracias",
        confirmed="Su suscripción está confirmada.",
        lost="Este enlace no funciona",
        lost_why="No es nuestro o le falta una parte. Ábralo de nuevo desde el mensaje.",
        gone="Este mensaje ya no está disponible",
        gone_why="Solo guardamos los mensajes durante un tiempo.",
        home="A nuestro sitio",
        channels={
            "email": "correo electrónico",
            "sms": "SMS",
            "whatsapp": "WhatsApp",
            "voice": "teléfono",
            "chat": "chat",
        },
    ),
}
_ACCEPTED = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def language_of(own: Any, accepted: str, project: str) -> str:
    """Return the language of a page: the person's own, else what the browser asks for, else the project's, of those we have."""
    wanted = [own] if isinstance(own, str) else []
    for name in (*wanted, *_preferred(accepted), project):
        language = re.split(r"[-_]", name.strip(), maxsplit=1)[0].lower()
        if language in WORDS:
            return language
    return FALLBACK


def _preferred(accepted: str) -> list[str]:
    """Return the languages of an `Accept-Language` header, the most wanted first."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:1_000].split(",")):
        match = _ACCEPTED.fullmatch(part)
        if match is not None and float(match[2] or 1) > 0:
            found.append((-float(match[2] or 1), place, match[1]))
    return [language for _, _, language in sorted(found)]
