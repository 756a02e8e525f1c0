"""Parse submitted form fields. Malformed values abort with 400."""

from flask import abort, request
from werkzeug.datastructures import MultiDict

LONGEST_LIST = 1000
LONGEST_NUMBER = 9
LONGEST_KEY = 64


def switch_state(name: str = "on") -> bool:
    """The requested state of a switch: "1" or "0"."""
    value = request.form.get(name)
    if value not in ("0", "1"):
        abort(400)
    return value == "1"


def ids(name: str) -> list[int]:
    """A comma-separated list of ids."""
    listed = request.form.get(name, "").split(",")
    if len(listed) > LONGEST_LIST or not all(is_whole(text) for text in listed):
        abort(400)
    return [int(text) for text in listed]


def whole_number(name: str) -> int:
    value = request.form.get(name, "")
    if not is_whole(value):
        abort(400)
    return int(value)


def is_whole(text: str) -> bool:
    """Whether the text is at most nine ASCII digits, which every database's integers can hold."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER


def record_id(text: str) -> int:
    """Parser for `request.args.get(type=…)`, which ignores values that raise `ValueError`."""
    if not is_whole(text):
        raise ValueError(text)
    return int(text)


def confirmed() -> int:
    """The micros that the pressed button named as charged at once (T18); 0 if none."""
    value = request.form.get("confirmed", "0")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else 0


def seen_open() -> frozenset[int]:
    """The open payments that the form showed (T15)."""
    texts = request.form.get("seen_open", "").split(",")
    return frozenset(int(text) for text in texts if is_whole(text))


def consent(form: MultiDict[str, str]) -> bool | None:
    """The choice of auto-charge for a method that is being saved; None if none was made."""
    return {"1": True, "0": False}.get(form.get("consent", ""))


def request_key() -> str:
    """The idempotency key that was rendered into the form."""
    key = request.form.get("request_key", "")
    if not 16 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isalnum():
        abort(400)
    return key
