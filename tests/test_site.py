"""The documentation's site (``make docs``, which CI runs): its links and its navigation.

Building it needs MkDocs, which is in an environment of its own.
"""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs/site_pages.py")
site_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(site_pages)


def on_site(text, page):
    page = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    return site_pages.on_page_markdown(text, page, None, None)


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("paper.md", "../README.md#real-data", "index.md#real-data"),
        ("paper.md", "miniature.md", "miniature.md"),
        ("index.md", "docs/paper.md", "paper.md"),
        ("index.md", "docs/images/a.png", "images/a.png"),
        ("index.md", "mmasg/l2o/policies/mini.md", "mini_policy.md"),
        ("data.md", "../docs/real_data.md", "real_data.md"),
        ("mini_policy.md", "../../../docs/images/a.png", "images/a.png"),
        ("api/l2o.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_of_the_repository_lead_to_the_page(page, link, expected):
    assert on_site(f"see [this]({link}), and", page) == f"see [this]({expected}), and"


def test_code_blocks_stay_as_they_are():
    text = "```python\na[0](docs/paper.md)\n```\n[b](docs/paper.md)\n```\nc[1](docs/x.md)\n```"
    assert on_site(text, "index.md") == text.replace("[b](docs/paper.md)", "[b](paper.md)")


def test_every_page_is_in_the_navigation():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = set()
    for entry in nav:
        (value,) = entry.values()
        named |= {value} if isinstance(value, str) else {v for e in value for v in e.values()}
    pages = {p.name for p in (ROOT / "docs").glob("*.md")} | set(site_pages.PAGES.values())
    assert named == pages


def test_every_room_and_module_has_its_place_in_the_api():
    shown = {module for room, _ in site_pages.rooms() for module in site_pages.modules_of(room)}
    there = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "mmasg").rglob("*.py")
        if not path.stem.startswith("_") and ".mim" not in path.parts
    }
    assert shown == there
    assert "::: mmasg.l2o.windows" in site_pages.api_page("l2o", "idea 2")
