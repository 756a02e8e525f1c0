"""A browser without scripts and styles: it follows links and submits forms as the HTML has them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient

from tests.web.conftest import words


@dataclass
class Form:
    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Control:
    """A link or a submit button, with the name that a person sees or hears."""

    attributes: dict[str, str]
    form: Form | None
    name: str = ""


class Parser(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.controls: list[Control] = []
        self._form: Form | None = None
        self._forms: dict[str, Form] = {}
        self._open: Control | None = None
        self._select: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(has.get("method", "get"), has.get("action", ""))
            self._forms[has.get("id", "")] = self._form
        form = self._forms.get(has["form"]) if "form" in has else self._form
        if tag == "a" or (tag == "button" and has.get("type", "submit") == "submit"):
            self._open = Control(has, form, has.get("aria-label", ""))
            self.controls.append(self._open)
        elif tag == "select":
            self._select = has.get("name")
        elif form and not is_off(has):
            if tag == "option" and self._select and "selected" in has:
                form.fields.append((self._select, has.get("value", "")))
            elif tag == "input" and has.get("name"):
                form.fields.append((has["name"], has.get("value", "on")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag in ("a", "button"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open and "aria-label" not in self._open.attributes:
            self._open.name = " ".join(f"{self._open.name} {data}".split())


def is_off(has: dict[str, str]) -> bool:
    """Return whether an input is not sent with its form."""
    unticked = has.get("type") in ("checkbox", "radio") and "checked" not in has
    return unticked or "disabled" in has or has.get("type") == "file"


class PlainBrowser:
    def __init__(self, client: FlaskClient, path: str) -> None:
        self._client = client
        self.open(path)

    def open(self, path: str) -> None:
        self._show(self._client.get(path, follow_redirects=True))

    @property
    def path(self) -> str:
        return self._answer.request.path

    @property
    def words(self) -> str:
        return words(self._answer)

    def press(self, name: str, **values: object) -> None:
        """Press the first link or button of this name, with these values in its form."""
        control = next(control for control in self._controls if control.name == name)
        has, form = control.attributes, control.form
        if "href" in has:
            self.open(has["href"])
            return
        assert form is not None, f"{name} has no form"
        data = dict(form.fields) | values
        if has.get("name"):
            data |= {has["name"]: has.get("value", "")}
        address = has.get("formaction") or form.action or self.path
        if form.method == "get":
            self._show(self._client.get(address, query_string=data, follow_redirects=True))
        else:
            self._show(self._client.post(address, data=data, follow_redirects=True))

    def _show(self, answer) -> None:
        self._answer, self._controls = answer, Parser(answer.text).controls
