"""PDF layout shared by receipts and statements: fonts, measures and common blocks.

Inter covers Latin, Greek and Cyrillic; DejaVu Sans adds Hebrew, Arabic, Armenian and Georgian, and
Droid Sans Fallback adds Chinese, Japanese and Korean. A fallback font is loaded only if needed.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

FONTS = Path(__file__).with_name("fonts")
REGULAR = FONTS / "Inter-Regular-4.1.ttf"
STRONG = FONTS / "Inter-SemiBold-4.1.ttf"
FALLBACKS = {
    "dejavu": FONTS / "DejaVuSans-2.37.ttf",
    "droid": FONTS / "DroidSansFallback-6.0.1.ttf",
}

MARGIN = 20.0
WIDTH = 210.0 - 2 * MARGIN
"""Width of an A4 page between its margins, in millimetres."""

INK, GREY, PALE = (23, 26, 33), (100, 109, 123), (229, 232, 237)


class Paper(FPDF):
    """An A4 document. `words` is its full text, which selects the fallback fonts."""

    def __init__(self, title: str, author: str, words: str) -> None:
        super().__init__(format="A4")
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(auto=True, margin=24)
        self.set_title(title)
        self.set_author(author)
        self.set_lang("en")
        self.add_font("inter", "", REGULAR)
        self.add_font("inter", "b", STRONG)
        needed = [name for name in FALLBACKS if is_needed(name, words)]
        for name in needed:
            self.add_font(name, "", FALLBACKS[name])
        self.set_fallback_fonts(needed, exact_match=False)
        self.c_margin = 0
        self.foot = ""

    def footer(self) -> None:
        self.set_y(-16)
        self.type(8, GREY)
        self.shape(self.foot)
        self.cell(WIDTH - 30, 5, self.foot)
        self.cell(30, 5, f"Page {self.page_no()}", align=Align.R)

    def shape(self, text: str) -> None:
        """Turn on text shaping, which joins Arabic letters, only for text that Inter lacks.

        With shaping, Inter's letter spacing would be wrong.
        """
        missing = {ord(char) for char in text if char.isprintable()} - letters(REGULAR)
        self.set_text_shaping(use_shaping_engine=bool(missing))

    def type(self, size: float, ink: tuple[int, int, int] = INK, *, strong: bool = False) -> None:
        # After a fallback font the library does not notice that the font must be set again.
        self.set_font("inter", "", 1)
        self.set_font("inter", "b" if strong else "", size)
        self.set_text_color(*ink)

    def line_of(self, text: str, height: float = 5.0, width: float = WIDTH) -> None:
        """Write text and wrap it at `width`."""
        self.shape(text)
        self.multi_cell(width, height, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align=Align.L)

    def head(self, title: str, provider: str, below: str) -> None:
        """Start the first page with title, provider and a subtitle."""
        self.add_page()
        self.type(20, strong=True)
        self.cell(WIDTH / 2, 9, title)
        self.type(11, strong=True)
        self.shape(provider)
        self.set_xy(MARGIN + WIDTH / 2, MARGIN + 2)
        self.multi_cell(WIDTH / 2, 6, provider, align=Align.R)
        self.set_xy(MARGIN, max(MARGIN + 12, self.get_y() + 4))
        self.type(10, GREY)
        self.line_of(below)

    def rule(self, shade: tuple[int, int, int] = PALE) -> None:
        self.set_draw_color(*shade)
        self.set_line_width(0.25)
        self.line(MARGIN, self.get_y(), MARGIN + WIDTH, self.get_y())

    def block(self, x: float, y: float, width: float, label: str, lines: Sequence[str]) -> float:
        """Write a label and lines below it, the first one bold. Returns the y where they end."""
        self.set_xy(x, y)
        self.type(8, GREY)
        self.shape(label)
        self.cell(width, 5, label)
        self.set_xy(x, y + 5.5)
        for number, line in enumerate(lines):
            self.type(10, strong=number == 0)
            self.shape(line)
            self.set_x(x)
            self.multi_cell(width, 5, line, new_x=XPos.LEFT, new_y=YPos.NEXT, align=Align.L)
        return float(self.get_y())

    def amount_line(self, name: str, amount: str, *, strong: bool = False) -> None:
        self.type(11 if strong else 10, strong=strong)
        self.shape(name)
        self.cell(WIDTH - 50, 8, name)
        self.cell(50, 8, amount, align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    @property
    def data(self) -> bytes:
        return bytes(self.output())


def is_needed(name: str, words: str) -> bool:
    """Whether the text has a letter that this fallback has and the fonts before it lack."""
    missing = {ord(char) for char in words if char.isprintable()} - letters(REGULAR)
    for other, path in FALLBACKS.items():
        found = missing & letters(path)
        if other == name:
            return bool(found)
        missing -= found
    return False


@lru_cache(maxsize=4)
def letters(path: Path) -> frozenset[int]:
    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap())
