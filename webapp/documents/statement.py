"""A month's statement as PDF: opening and closing balance, payments, and daily usage."""

from fpdf.enums import Align, XPos, YPos

from webapp.documents.paper import GREY, MARGIN, WIDTH, Paper
from webapp.reads.ledger.statement_document import StatementPaper

COLUMNS = (24.0, WIDTH - 24 - 36 - 36, 36.0, 36.0)


def statement_pdf(statement: StatementPaper) -> bytes:
    paper = Paper(f"Statement {statement.month}", statement.provider[0], statement.words)
    paper.foot = f"{statement.provider[0]} · {statement.account} · {statement.month}"
    paper.head("Statement", statement.provider[0], statement.month)
    top, half = paper.get_y() + 9, WIDTH / 2 - 6
    ends = (
        paper.block(MARGIN, top, half, "From", statement.provider),
        paper.block(MARGIN + WIDTH / 2 + 6, top, half, "To", statement.customer),
    )
    paper.set_xy(MARGIN, max(ends) + 8)
    paper.rule()
    paper.ln(2)
    for name, amount in statement.totals:
        paper.amount_line(name, amount)
    paper.amount_line(statement.closing[0], statement.closing[1], strong=True)
    paper.ln(3)
    _head(paper)
    for line in statement.lines:
        if paper.will_page_break(7):
            paper.add_page()
            _head(paper)
        paper.type(9, strong=line.is_payment)
        paper.shape(line.words)
        _row(paper, (line.day, line.words, line.amount, line.balance), 7)
    paper.ln(6)
    paper.type(9, GREY)
    paper.line_of(statement.note)
    return paper.data


def _head(paper: Paper) -> None:
    paper.type(8, GREY)
    paper.shape("")
    _row(paper, ("Day", "Description", "Amount", "Balance"), 7)
    paper.rule()
    paper.ln(1)


def _row(paper: Paper, cells: tuple[str, str, str, str], height: float) -> None:
    for number, (width, text) in enumerate(zip(COLUMNS, cells, strict=True)):
        end = number == len(cells) - 1
        while paper.get_string_width(text) > width - 2 and len(text) > 1:
            text = f"{text.rstrip('…')[:-1]}…"
        paper.cell(
            width,
            height,
            text,
            align=Align.R if number > 1 else Align.L,
            new_x=XPos.LMARGIN if end else XPos.RIGHT,
            new_y=YPos.NEXT if end else YPos.TOP,
        )
