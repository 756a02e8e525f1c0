"""A receipt as PDF (L6)."""

from webapp.documents.paper import GREY, MARGIN, WIDTH, Paper
from webapp.reads.payments.receipt import ReceiptPaper


def receipt_pdf(receipt: ReceiptPaper) -> bytes:
    paper = Paper(f"Receipt {receipt.number}", receipt.provider[0], receipt.words)
    paper.foot = f"{receipt.provider[0]} · {receipt.number}"
    paper.head("Receipt", receipt.provider[0], f"{receipt.number}  ·  {receipt.issued}")

    top = paper.get_y() + 9
    half = WIDTH / 2 - 6
    ends = (
        paper.block(MARGIN, top, half, "From", receipt.provider),
        paper.block(MARGIN + WIDTH / 2 + 6, top, half, "To", receipt.customer),
    )
    paper.set_xy(MARGIN, max(ends) + 8)
    paper.rule()
    paper.ln(3)
    for name, value in receipt.facts:
        paper.type(10, GREY)
        paper.shape(name)
        paper.cell(48, 7, name)
        paper.type(10)
        paper.line_of(value, 7, WIDTH - 48)
    paper.ln(3)
    paper.rule()
    paper.ln(2)
    for name, amount in receipt.lines:
        paper.amount_line(name, amount)
    if receipt.lines:
        paper.ln(1)
        paper.rule()
        paper.ln(1)
    paper.amount_line("Total paid", receipt.total, strong=True)
    paper.ln(8)
    paper.type(9, GREY)
    paper.line_of(receipt.closing)
    return paper.data
