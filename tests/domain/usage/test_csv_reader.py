"""The reader of usage files yields every record once, valid or with its fault (L15)."""

import csv
from datetime import UTC, datetime
from io import BytesIO, StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp.domain.usage import csv_reader
from webapp.domain.usage.csv_reader import BadHeader, read

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HEADER = "account,amount,reference,occurred_at,description\n"


def lines_of(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return list(read(BytesIO(content), **options))


def references(lines):
    return [line.fields["reference"] for line in lines if not line.fault]


def record(number, description="call"):
    return f"2,0.0215,call-{number},2026-11-20T10:00:00Z,{description}\n"


# Quotes


def test_l15_a_stray_quote_affects_only_its_line():
    """L15: whatever the number of records up to the next quote."""
    texts = ['"Bob', "call", "call", '"6"" pipe"', "call"]
    lines = lines_of(HEADER + "".join(record(n, text) for n, text in enumerate(texts)))
    assert [(line.number, bool(line.fault)) for line in lines] == [
        (2, True), (3, False), (4, False), (5, False), (6, False),
    ]  # fmt: skip
    assert lines[3].fields["description"] == '6" pipe'


def test_l15_text_with_line_breaks_is_one_record():
    """L15: usage has no multi-line fields, and quoted content is never a separate record."""
    lines = lines_of(HEADER + record(1, '"first\n\nsecond"') + record(2))
    assert [(line.where, line.records, bool(line.fault)) for line in lines] == [
        ("2–4", 1, True),
        ("5", 1, False),
    ]


def test_l15_a_record_inside_quoted_text_is_never_posted():
    """L15: callers choose their display name, which an exporter quotes."""
    lines = lines_of(HEADER + record(1, '"x\n2,900.00,forged,,\ny"') + record(2))
    assert references(lines) == ["call-2"]
    assert (lines[0].where, lines[0].records) == ("2–4", 2)


@pytest.mark.parametrize("long", ["x" * 200_000, '""' * 200_000, "x\n" * 100_000])
def test_l15_a_record_inside_long_quoted_text_is_never_posted(long):
    """L15: even if the text exceeds the maximum length of a field or line."""
    text = f'"{long}\n2,900.00,forged,,\ny{long}"'
    lines = lines_of(HEADER + record(1, text) + record(2))
    assert references(lines) == ["call-2"]
    assert len(lines) == 2


def test_l15_many_stray_quotes_take_linear_time(monkeypatch):
    """L15: each line opens a quote that extends to the end; all lines are counted."""
    monkeypatch.setattr(csv_reader, "MOST_READ_AGAIN", 1_000)
    lines = lines_of(HEADER + '2,0.0215,r","c,,\n' * 500)
    assert sum(line.records for line in lines) == 500
    assert [line.where for line in lines] == ["2", "3", "4–501"]


@st.composite
def damaged(draw, breaks=""):
    """Records with characters inserted into some lines, and the indexes of those lines."""
    quoted = draw(st.booleans())
    texts = draw(
        st.lists(st.sampled_from(["call", 'a ""b""', "x, y", "é"]), min_size=1, max_size=12)
    )
    original = [
        record(n, f'"{text}"' if quoted or '"' in text or "," in text else text)
        for n, text in enumerate(texts)
    ]
    lines = list(original)
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        place = draw(st.integers(0, len(original[at]) - 1))
        what = draw(st.sampled_from(['"', '""', ",", ";", '",', ',"', *breaks]))
        lines[at] = lines[at][:place] + what + lines[at][place:]
    changed = {
        n for n, (before, after) in enumerate(zip(original, lines, strict=True)) if before != after
    }
    return lines, changed


@given(damaged())
@example((['2,1,r0,,"a\n', '2,1,r1",",,b"\n'], {0, 1}))
def test_l15_all_records_are_counted_with_damaged_lines(case):
    """L15: for any inserted quotes and separators; records outside of them are read."""
    lines, changed = case
    found = lines_of(HEADER + "".join(lines))
    assert sum(line.records for line in found) == len(lines)
    lost = {
        n
        for line in found
        if line.fault
        for n in range(line.number, (line.last or line.number) + 1)
    }
    for line in found:
        if line.fault:  # valid lines report no fault
            reported = range(line.number - 2, (line.last or line.number) - 1)
            assert changed.intersection(reported)
            assert {reported[0], reported[-1]} <= changed
    valid = {f"call-{n}" for n in range(len(lines)) if n not in changed and n + 2 not in lost}
    assert valid <= set(references(found))


def physical_lines(content):
    """Return the numbers of the lines that are not blank."""
    text = content.decode("utf-8", "replace")
    return [
        number for number, line in enumerate(StringIO(text, newline=""), 1) if line.strip("\r\n")
    ]


@given(
    damaged(breaks="\n\r"),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=3)), max_size=4),
)
def test_l15_every_line_is_in_exactly_one_record(case, changes):
    """L15: for any bytes, including quotes, line breaks and invalid UTF-8."""
    body = bytearray("".join(case[0]).encode())
    for at, piece in changes:
        body[at % len(body) : at % len(body)] = piece
    content = HEADER.encode() + bytes(body)
    found = lines_of(content)
    reported = [n for line in found for n in range(line.number, (line.last or line.number) + 1)]
    assert reported == sorted(set(reported))
    assert set(physical_lines(content)) - {1} <= set(reported)
    assert all(line.records >= 1 for line in found)


@given(st.binary(max_size=400))
def test_l15_any_bytes_are_read_or_refused(content):
    """L15: with no other exception."""
    try:
        found = lines_of(HEADER.encode() + content)
        lines_of(content)
    except BadHeader:
        return
    assert sum(line.records for line in found) <= content.count(b"\n") + content.count(b"\r") + 1


def test_l15_a_line_without_an_end_uses_bounded_memory(monkeypatch):
    monkeypatch.setattr(csv_reader, "LONGEST_TEXT", 2 * csv_reader.LONGEST_LINE)
    long = "x" * (3 * csv_reader.LONGEST_TEXT)
    lines = lines_of(HEADER + record(1) + record(2, long) + record(3))
    assert references(lines) == ["call-1", "call-3"]
    assert [line.where for line in lines] == ["2", "3", "4"]


# Separators, encodings, columns


TABLE = [
    ["account", "amount", "reference", "description"],
    ["2", "0.0215", "call-1", "München, mobil; 5 €"],
]


def written(separator, table=TABLE):
    out = StringIO()
    csv.writer(out, delimiter=separator).writerows(table)
    return out.getvalue()


@pytest.mark.parametrize("separator", csv_reader.SEPARATORS)
@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_l15_separators_and_encodings_are_detected(separator, declared, encoding):
    """L15: a comma, semicolon, tab or |, found in the header or declared on the first line."""
    text = (f"sep={separator}\r\n" if declared else "") + written(separator)
    (line,) = lines_of(text.encode(encoding))
    assert (line.number, line.fault) == (3 if declared else 2, "")
    assert line.parse(currency="USD", now=NOW).description == "München, mobil; 5 €"


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")]
)
def test_l15_both_byte_orders_of_utf_16_are_read(encoding, mark):
    content = mark + written("\t").encode(encoding)
    assert references(lines_of(content)) == ["call-1"]
    assert "UTF-8" in lines_of(content[:-3] + b"\xd8\x00")[-1].fault


@pytest.mark.parametrize(
    ("separator", "amount", "micros"),
    [
        (";", "0,0215", 21_500),
        ("\t", "12,5", 12_500_000),
        ("|", "0,00750000000", 7_500),
        (";", "0.0215", 21_500),
        (";", "1.234,50", None),
        (";", "1,2,3", None),
        (",", "0,0215", None),
    ],
)
def test_l1_l15_a_decimal_comma_needs_another_separator(separator, amount, micros):
    """L1, L15: in a file with comma separators it would be ambiguous."""
    (line,) = lines_of(written(separator, [["account", "amount", "reference"], ["2", amount, "a"]]))
    if micros is None:
        with pytest.raises(csv_reader.Invalid) as refused:
            line.parse("USD", NOW)
        assert list(refused.value.fields) == ["amount"]
    else:
        assert line.parse("USD", NOW).amount == micros


def test_l15_an_empty_currency_is_allowed_and_another_one_refused():
    lines = lines_of("account,amount,reference,currency\n2,1.00,a,\n2,1.00,b,USD\n2,1.00,c,EUR\n")
    assert [line.parse("USD", NOW).reference for line in lines[:2]] == ["a", "b"]
    with pytest.raises(csv_reader.Invalid) as refused:
        lines[2].parse("USD", NOW)
    assert refused.value.fields == {"currency": "This account's currency is USD"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no header"),
        (b"\n", "has no header"),
        (b"account,amount\n", "has no reference"),
        (
            b"account:amount:reference\n",
            "has no account or external_id and no amount and no reference",
        ),
        (b"account,amount,reference,colour\n", "the unknown column 'colour'"),
        (b"external_id,account,amount,reference,id\n", "the unknown column 'id'"),
        (b"amount,reference\n", "has no account or external_id"),
        (b"account,amount,reference,amount\n", "the column 'amount' twice"),
        (b"sep=:\naccount:amount:reference\n", "separator ':'"),
        (
            HEADER.encode("utf-16-le"),
            "is UTF-16 without a byte order mark; save it as CSV in UTF-8",
        ),
        (HEADER.encode("utf-32"), "is UTF-32; save it as CSV in UTF-8"),
        (b"PK\x03\x04\x14\x00", "is an Excel workbook or a zip file; save it as CSV in UTF-8"),
        (b"\x1f\x8b\x08\x00", "is compressed with gzip; save it as CSV in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "has no account"),
    ],
)
def test_l15_an_unreadable_file_is_refused_with_the_reason(content, reason):
    """L15: the error says what to do."""
    with pytest.raises(BadHeader) as refused:
        lines_of(content)
    assert reason in str(refused.value)


def test_columns_may_be_reordered_and_optional_ones_omitted():
    (line,) = lines_of('"Reference", Amount \ncall-1, 1.00 \n', account_is_known=True)
    assert (line.account, line.fields) == ("", {"reference": "call-1", "amount": "1.00"})
