"""MkDocs hook: pages from the files beside `docs/`, and links to files that are not pages.

In the repository README.md and CONTRIBUTING.md link to `docs/…`, and pages link to source files.
On the site the former are pages too, and the name of a source file is text. A link to a file that
does not exist fails the build, as a broken link between pages does.
"""

import logging
import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.site")

ROOT = Path(__file__).resolve().parent.parent

BESIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}
"""Files of the repository's root that are pages, and their names on the site."""

LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)")
IMAGE = re.compile(r'((?:src|srcset)=")docs/')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, page in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    place = page.file.src_uri
    source = next((name for name, uri in BESIDE.items() if uri == place), f"docs/{place}")

    def follow(link: re.Match[str]) -> str:
        label, target, anchor = link[1], link[2], link[3] or ""
        path = normpath(f"{dirname(source)}/{target}".lstrip("/"))
        uri = BESIDE.get(path) or path.removeprefix("docs/")
        if path in BESIDE or (path.startswith("docs/") and files.get_file_from_path(uri)):
            return f"[{label}]({relpath(uri, dirname(place) or '.')}{anchor})"
        if not (ROOT / path).exists():
            log.warning("%s links to %s, which does not exist", source, path)
        return label if label.startswith("`") else f"`{label}`"

    return IMAGE.sub(r"\1", LINK.sub(follow, text))
