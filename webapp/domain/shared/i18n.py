"""Translation of emails into the account's language. Pages are in English.

Code contains whole English sentences with named placeholders, marked for the catalogs: `_(…)`
translates at once, `N_(…)` marks a sentence that is translated later. The translations are in
`translations/<language>.po`; `make translations` updates their sentences.
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
    """Translator into one language."""

    def __init__(self, language: Language, translations: NullTranslations) -> None:
        self.language, self.translations = language, translations

    def gettext(self, sentence: str, /, **values: object) -> str:
        """Translate a sentence, and fill in its `%(placeholders)s` if values are given."""
        translated = self.translations.gettext(sentence)
        return translated % values if values else translated


@cache
def translator(language: str) -> Translator:
    """Return the translator, reading its catalog once. Raises `ValueError` if unsupported."""
    supported = Language(language)
    if supported is Language.ENGLISH:
        return ENGLISH
    compiled = BytesIO()
    with (CATALOGS / f"{supported}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=supported))
    compiled.seek(0)
    return Translator(supported, GNUTranslations(compiled))


ENGLISH = Translator(Language.ENGLISH, NullTranslations())


def N_(sentence: str) -> str:  # noqa: N802 - the usual name with gettext
    """Mark a sentence for the catalogs and return it unchanged, for a later `gettext`."""
    return sentence
