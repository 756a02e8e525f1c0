"""Static files: compressed, bundled, and cached for ever under a digest."""

import gzip
import re

import pytest

from tests.conftest import settings_in
from webapp.app import STATIC, create_app
from webapp.web.http.security_headers import HSTS, POLICY
from webapp.web.http.static_files import bundle, digest_of, publish


@pytest.fixture
def published(tmp_path):
    return publish(STATIC, tmp_path / "shelf")


def address_in(page: str, file: str) -> str:
    found = re.search(rf'"(/static/[0-9a-f]{{10}}/{file})"', page)
    assert found, f"{file} is not on the page"
    return found[1]


def test_a_file_is_immutable_and_compressed(home, published):
    client = create_app(settings_in(home), static=published).test_client()
    address = address_in(client.get("/sign-in").text, "css/app.css")
    answer = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["Cache-Control"]
    assert not {"ETag", "Last-Modified"} & set(answer.headers.keys())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data).decode() == bundle(STATIC / "css/app.css")


def test_without_publishing_the_same_addresses_serve_the_source_files(app, client):
    address = address_in(client.get("/billing/payment-methods").text, "js/theme.js")
    assert client.get(address).data == (STATIC / "js/theme.js").read_bytes()


def test_a_bundled_style_sheet_has_no_imports_and_no_comments(published):
    sheet = (published / "css/app.css").read_text()
    assert "@import" not in sheet
    for part in (STATIC / "css").glob("*/*.css"):
        assert bundle(part).strip() in sheet, part.name
    assert "/*" not in sheet


def test_bundled_style_sheets_reference_no_file(published):
    """`bundle` moves them to another folder, where relative paths would break."""
    for sheet in STATIC.glob("css/*/*.css"):
        assert "url(" not in sheet.read_text(), sheet.name


def test_publishing_twice_does_nothing(published, tmp_path):
    before = (published / "css/app.css").stat()
    assert publish(STATIC, tmp_path / "shelf") == published
    assert (published / "css/app.css").stat() == before
    assert [it.name for it in published.parent.iterdir()] == [digest_of(STATIC)]


def test_changed_content_has_another_digest(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.js").write_text("1")
    before = digest_of(tmp_path / "a")
    digest_of.cache_clear()
    (tmp_path / "a/x.js").write_text("2")
    assert digest_of(tmp_path / "a") != before


@pytest.mark.parametrize(("url", "hsts"), [("", None), ("https://billing.example.com", HSTS)])
def test_static_files_have_security_headers(home, published, url, hsts):
    """ASVS 3.4: no MIME sniffing, and an image opened directly can run nothing."""
    app = create_app(settings_in(home, PUBLIC_URL=url), static=published)
    client, prefix = app.test_client(), app.static_url_path
    for file, policy in (("js/theme.js", None), ("css/app.css", None), ("favicon.svg", POLICY)):
        headers = client.get(f"{prefix}/{file}").headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers.get("Content-Security-Policy") == policy
        assert headers.get("Strict-Transport-Security") == hsts


def test_folders_are_not_listed(app, client):
    """ASVS 13.4: nor are files outside the folder of static files served."""
    static = app.static_url_path
    for path in (static, f"{static}/", f"{static}/css", f"{static}/css/", f"{static}/../wsgi.py"):
        assert client.get(path).status_code == 404, path
    for path in ("/.git/config", "/.env", "/static/", "/requirements.txt"):
        assert client.get(path).status_code == 404, path
