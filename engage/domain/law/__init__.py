"""Law: rule packs as data, and the one question "does the law let this message reach this person now?".

Packs and places are read from files (`engage/project/law_packs`, `journeys/law`); here is what they mean.
"""

from engage.domain.law.judge import NO_LAW, Contact, Law, Never, Wait
from engage.domain.law.places import Located, Places
from engage.domain.law.rules import LawPack, Requirement, Rule

__all__ = ["NO_LAW", "Contact", "Law", "LawPack", "Located", "Never", "Places", "Requirement", "Rule", "Wait"]
