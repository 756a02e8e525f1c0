"""A browser without scripts and styles: it follows links and submits forms as the HTML has them.

It knows inputs and selects; a form's <textarea> is not sent.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from tests.web.conftest import words

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


@dataclass
class Form:
    method: str
    action: str
    enctype: str
    sent: MultiDict = field(default_factory=MultiDict)
    """What the form sends if nobody changes it."""
    fields: dict[str, str] = field(default_factory=dict)
    """The types of the fields that a person can change, by name."""


@dataclass
class Control:
    """A link or a button, with the name that a person sees or hears."""

    attributes: dict[str, str]
    form: Form | None
    name: str = ""

    @property
    def needs_script(self) -> bool:
        """Whether the stylesheet hides it from browsers without scripts."""
        return "needs-script" in self.attributes.get("class", "").split()


class Parser(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.controls: list[Control] = []
        self.ids: set[str] = set()
        self._form: Form | None = None
        self._forms: dict[str, Form] = {}
        self._open: Control | None = None
        self._select: str | None = None
        self._unspoken: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.ids.add(has.get("id", ""))
        if tag == "form":
            self._form = Form(
                has.get("method", "get"), has.get("action", ""), has.get("enctype", URLENCODED)
            )
            self._forms[has.get("id", "")] = self._form
        form = self._forms.get(has["form"]) if "form" in has else self._form
        if tag in ("a", "button"):
            self._open = Control(has, form, has.get("aria-label", ""))
            self.controls.append(self._open)
        elif tag == "option":
            self._option(form, has)
        elif tag in ("input", "select") and form and has.get("name"):
            self._field(form, tag, has)
        elif self._open and has.get("aria-hidden") == "true":
            self._unspoken = tag

    def _field(self, form: Form, tag: str, has: dict[str, str]) -> None:
        kind = has.get("type", "text") if tag == "input" else tag
        if "disabled" in has:
            return
        if kind != "hidden":
            form.fields[has["name"]] = kind
        if tag == "select":
            self._select = has["name"]
        elif kind not in ("checkbox", "radio", "file") or "checked" in has:
            form.sent.add(has["name"], has.get("value", "on" if "checked" in has else ""))

    def _option(self, form: Form | None, has: dict[str, str]) -> None:
        if form and self._select and (self._select not in form.sent or "selected" in has):
            form.sent[self._select] = has["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag in ("a", "button"):
            self._open = self._unspoken = None
        elif tag == self._unspoken:
            self._unspoken = None

    def handle_data(self, data: str) -> None:
        if self._open and not self._unspoken and "aria-label" not in self._open.attributes:
            self._open.name = " ".join(f"{self._open.name} {data}".split())


class PlainBrowser:
    def __init__(self, client: FlaskClient, path: str) -> None:
        self._client = client
        self.open(path)

    def open(self, path: str) -> None:
        self._show(self._client.get(path, follow_redirects=True))

    @property
    def path(self) -> str:
        return self.answer.request.path

    @property
    def words(self) -> str:
        return words(self.answer)

    def control(self, name: str) -> Control:
        """Return the first link or button of this name."""
        found = [control for control in self._parsed.controls if control.name == name]
        assert found, f"{self.path} has no {name}"
        return found[0]

    def press(self, name: str, /, **values: object) -> None:
        """Press the first link or button of this name, with these values in its form.

        A value is a text, or the stream and the name of a file. A list is one value per ticked box.
        """
        control = self.control(name)
        has, form = control.attributes, control.form
        assert not control.needs_script, f"{name} is hidden"
        assert "disabled" not in has, f"{name} is disabled"
        assert has.get("aria-disabled") != "true", f"{name} is disabled"
        if "href" in has:
            self.open(has["href"])
        elif "popovertarget" in has:  # its content is in the page already
            assert has["popovertarget"] in self._parsed.ids, f"{name} opens nothing"
        else:
            assert has.get("type", "submit") == "submit", f"{name} needs a script"
            assert form is not None, f"{name} has no form"
            self._submit(form, has, values)

    def _submit(self, form: Form, button: dict[str, str], values: dict[str, object]) -> None:
        data = MultiDict(form.sent)
        for name, value in values.items():
            assert name in form.fields, f"the form has no field {name}"
            is_file = isinstance(value, tuple)
            assert is_file == (form.fields[name] == "file"), f"{name} is a {form.fields[name]}"
            assert not is_file or form.enctype == MULTIPART, "the form sends no files"
            data.setlist(name, value if isinstance(value, list) else [value])
        if button.get("name"):
            data.add(button["name"], button.get("value", ""))
        address = button.get("formaction") or form.action or self.path
        if form.method == "get":
            self._show(self._client.get(address, query_string=data, follow_redirects=True))
            return
        self._show(
            self._client.post(address, data=data, content_type=form.enctype, follow_redirects=True)
        )

    def _show(self, answer) -> None:
        self.answer, self._parsed = answer, Parser(answer.text)
