"""The email translations: in step with the source, complete, and correctly typeset."""

import re
import tomllib
from datetime import UTC, datetime
from functools import cache

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from tests.delivery.test_mailer import FACTS, TEMPLATES, URL, Page, sign
from tests.factories import context
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import TOPICS, NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.i18n import CATALOGS, ENGLISH, NAMES, Language, translator
from webapp.reads.notifications.email_samples import facts
from webapp.settings import ROOT

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
OTHERS = [language for language in Language if language is not Language.ENGLISH]
EACH = pytest.mark.parametrize("language", OTHERS)

MAILER = OutboxMailer(TEMPLATES, URL, sign)

PLACE = r"%\(\w+\)s"


@pytest.fixture(scope="module")
def extracted_messages():
    """All messages marked in the source, as `make translations` extracts them."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    found = extract_from_dir(
        ROOT,
        [(mapping["pattern"], mapping["method"]) for mapping in mappings],
        {mapping["pattern"]: mapping for mapping in mappings},
    )
    return {message for _, _, message, _, _ in found}


@cache
def catalog(language):
    """Return the translations by message id, or by (singular, plural)."""
    with (CATALOGS / f"{language}.po").open("rb") as file:
        read = read_po(file, locale=language)
    assert not read.obsolete
    assert not [message.id for message in read if message.id and message.fuzzy]
    return {message.id: message.string for message in read if message.id}


def forms(message):
    return message if isinstance(message, tuple) else (message,)


def test_each_language_has_a_catalog_and_a_name():
    assert {path.stem for path in CATALOGS.iterdir()} == set(OTHERS)
    assert set(NAMES) == set(Language)


@EACH
def test_each_catalog_has_exactly_the_extracted_messages(extracted_messages, language):
    assert set(catalog(language)) == extracted_messages


@EACH
def test_each_translation_has_the_placeholders_of_its_message(language):
    for message, translated in catalog(language).items():
        for form in forms(translated):
            assert form.strip() == form != "", message
            assert sorted(re.findall(PLACE, form)) == sorted(re.findall(PLACE, forms(message)[-1]))
            assert "%" not in re.sub(PLACE, "", form)
            assert (form[-1] in ".:") == (forms(message)[0][-1] in ".:"), message


MARKS = {
    Language.GERMAN: ("„", "“", r"[\"'«»]"),
    Language.SPANISH: ("«", "»", r"[\"'„“]"),
    Language.FRENCH: ("«\u202f", "\u202f»", r"[\"'„“]|[^\u202f\d][:;!?»]|«[^\u202f]"),
}


@EACH
def test_quotes_and_spaces_follow_the_language(language):
    opening, closing, wrong = MARKS[language]
    for text in (form for translated in catalog(language).values() for form in forms(translated)):
        assert not re.search(wrong, text)
        assert text.count(opening) == text.count(closing), text


@EACH
def test_a_catalog_is_loaded_once_and_translates(language):
    assert translator(language) is translator(language)
    assert translator(language).gettext("%(limit)s a day", limit="$5") != "$5 a day"


def test_english_returns_the_messages_unchanged():
    assert translator("en") is ENGLISH
    assert ENGLISH.gettext("100 % of %(what)s") == "100 % of %(what)s"
    with pytest.raises(ValueError, match="tlh"):
        translator("tlh")


@pytest.mark.parametrize(
    ("language", "this_year", "another"),
    [
        ("en", "Tue 24 Nov, 10:02 UTC", "Thu 4 Mar 2027, 10:02 UTC"),
        ("de", "Di., 24. November, 10:02 UTC", "Do., 4. März 2027, 10:02 UTC"),
        ("es", "mar, 24 de noviembre, 10:02 UTC", "jue, 4 de marzo de 2027, 10:02 UTC"),
        ("fr", "mar. 24 novembre, 10:02 UTC", "jeu. 4 mars 2027, 10:02 UTC"),
    ],
)
def test_dates_follow_the_language(language, this_year, another):
    """P4."""
    for month, day, year, written in ((11, 24, 2026, this_year), (3, 4, 2027, another)):
        then = datetime(year, month, day, 10, 2, tzinfo=UTC)
        mailed = datetimes.mailed(then, "UTC", NOW, Language(language))
        assert mailed.replace("\N{NO-BREAK SPACE}", " ") == written


@EACH
@pytest.mark.parametrize("kind", NoticeKind)
def test_no_translated_email_has_an_english_sentence(kind, language):
    """Account emails are rendered as in their preview; personal ones contain no sentences."""
    account = Account(
        name="Harbour Voice", currency="USD", locale="en_US", time_zone="UTC", language=language
    )
    values = dict(facts(context(None, NOW), kind, account)) if kind in TOPICS else FACTS[kind]
    values = {"account_name": account.name, **values, "stop_link": f"{URL}/stop"}
    letter = MAILER.render(kind, values, language)
    assert f'<html lang="{language}">' in letter.html
    text = f"{letter.subject}\n{letter.text}\n{Page(letter.html).text}"
    for message, translated in catalog(language).items():
        longest = max(re.split(PLACE, forms(message)[0]), key=len).strip(" .:")
        if " " in longest and longest not in forms(translated)[0]:
            assert longest not in text
