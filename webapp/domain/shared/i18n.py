"""The languages of mails. Pages are English; what an account is mailed is in its own language.

A sentence is written in English where it is made, whole and with named placeholders, and marked
for the catalogs: by `_(…)` where it is said at once, by `N_(…)` where that is done later.
`translations/<language>.po` has it in the other languages; `make translations` keeps them in step.
"""

from enum import StrEnum
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from webapp.settings import ROOT

CATALOGS = ROOT / "translations"


class Language(StrEnum):
    ENGLISH = "en"
    GERMAN = "de"
    SPANISH = "es"
    FRENCH = "fr"


NAMES = {
    Language.ENGLISH: "English",
    Language.GERMAN: "Deutsch",
    Language.SPANISH: "Español",
    Language.FRENCH: "Français",
}


class Translator:
    """Says our sentences in one language."""

    def __init__(self, language: Language, translations: NullTranslations) -> None:
        self.language, self.translations = language, translations

    def gettext(self, sentence: str, /, **values: object) -> str:
        """The sentence, its `%(placeholders)s` filled in where values are given."""
        said = self.translations.gettext(sentence)
        return said % values if values else said


@cache
def translator(language: str) -> Translator:
    """Its catalog is read at first use. Raises `ValueError` for a language we do not speak."""
    spoken = Language(language)
    if spoken is Language.ENGLISH:
        return ENGLISH
    compiled = BytesIO()
    with (CATALOGS / f"{spoken}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=spoken))
    compiled.seek(0)
    return Translator(spoken, GNUTranslations(compiled))


ENGLISH = Translator(Language.ENGLISH, NullTranslations())


def N_(sentence: str) -> str:  # noqa: N802 - gettext's own name for it
    """The sentence as it is, marked for the catalogs; `gettext` says it later."""
    return sentence
