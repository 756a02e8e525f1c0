"""The documentation builds as a website, and a broken link fails the build."""

import re
import shutil
import subprocess
import sys

import pytest

from webapp.settings import ROOT

LOADED = re.compile(
    r"""<(?:script|img|source|iframe)\b[^>]*\ssrc(?:set)?="[^"]+"|"""
    r"""<link\b[^>]*rel="(?:stylesheet|preload|preconnect|icon)"[^>]*>"""
)
"""Elements whose file a browser requests with the page."""


def build(repository, folder):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    run = build(ROOT, folder)
    assert run.returncode == 0, run.stderr
    return folder


def test_every_document_is_a_page(site):
    documents = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    pages = {
        path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html")
        for path in documents
    }
    beside = {"index.html", "changelog.html", "contributing.html", "reporting.html"}

    built = {str(path.relative_to(site)) for path in site.rglob("*.html")}

    assert built == {*map(str, pages), *beside, "404.html"}


def test_the_picture_is_on_the_first_page(site):
    shown = re.findall(r'(?:src|srcset)="(images/[^"]+)"', (site / "index.html").read_text())

    assert len(shown) == 2
    assert [name for name in shown if not (site / name).exists()] == []


def test_no_page_loads_a_file_from_another_host(site):
    loaded = [
        element.group()
        for path in site.rglob("*.html")
        for element in LOADED.finditer(path.read_text())
    ]

    assert len(loaded) > 50
    assert [element for element in loaded if "//" in element] == []


def test_a_broken_link_fails_the_build(tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("docs", "mkdocs.yml"):
            (repository / path.name).symlink_to(path)
    shutil.copy(ROOT / "mkdocs.yml", repository)
    shutil.copytree(ROOT / "docs", repository / "docs")
    with (repository / "docs" / "api.md").open("a") as page:
        page.write("[page](no-page.md) [part](rules.md#no-part) [file](../webapp/no_file.py)\n")

    run = build(repository, tmp_path / "site")

    assert run.returncode != 0
    missed = [it for it in ("no-page.md", "no-part", "no_file.py") if it not in run.stderr]
    assert missed == []


def test_the_index_lists_every_decision():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([^)/]+\.md)\)", (folder / "README.md").read_text())

    assert sorted(listed) == sorted(path.name for path in folder.glob("20*.md"))


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80
