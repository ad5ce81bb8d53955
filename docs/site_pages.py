"""Pages of the site that lie outside docs/, links that lead there, and the pages of the API.

MkDocs calls the functions below (``hooks`` of mkdocs.yml). Links in the pages are those of the
repository, relative to the file they stand in; on the site they are made relative to the page.
"""

import os
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
#: Files outside docs/ that are pages, and under which name.
PAGES = {
    "README.md": "index.md",
    "data/README.md": "data.md",
    "mmasg/l2o/policies/mini.md": "mini_policy.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def rooms():
    """Rooms and single modules of the package with their titles, in CONTRIBUTING.md's order."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- floors -->(.*?)<!-- end of floors -->", text, re.DOTALL)[1]
    found = re.findall(r"^ {4}([a-z0-9_/]+?)(?:/|\.py) +(.*)$", block, re.MULTILINE)
    return [(room, title) for room, title in found if room != "__main__"]


def modules_of(room):
    """Dotted names of a room's modules, its own first."""
    if (ROOT / "mmasg" / f"{room}.py").is_file():
        return [f"mmasg.{room}"]
    folder = ROOT / "mmasg" / room
    dotted = f"mmasg.{room.replace('/', '.')}"
    stems = sorted(path.stem for path in folder.glob("*.py"))
    return [f"{dotted}.{stem}" for stem in stems if not stem.startswith("_")]


def api_page(room, title):
    """Text of the page of a room."""
    parts = [f"# {room.replace('/', '.')}", title[:1].upper() + title[1:] + "."]
    parts += [f"::: {module}" for module in modules_of(room)]
    return "\n\n".join(parts) + "\n"


def on_config(config):
    """Add a page of the API for every room."""
    pages = [{room: f"api/{room.replace('/', '.')}.md"} for room, _ in rooms()]
    config.nav.append({"API": pages})
    return config


def on_files(files, config):
    """Add the pages that lie outside docs/, and those of the API."""
    from mkdocs.structure.files import File

    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    for room, title in rooms():
        name = f"api/{room.replace('/', '.')}.md"
        files.append(File.generated(config, name, content=api_page(room, title)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead the links of the repository to the pages of the site; code blocks stay as they are."""
    sources = {name: source for source, name in PAGES.items()}
    here = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def lead(match):
        target = match[2]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = os.path.normpath(PurePosixPath(here).parent / target)
        name = PAGES.get(path, path.removeprefix("docs/"))
        # What is no page stays as it is, and is a warning, which fails the build.
        start = str(PurePosixPath(page.file.src_uri).parent)
        return f"{match[1]}{os.path.relpath(name, start)}{match[3]}"

    text, last = [], 0
    for fence in _FENCE.finditer(markdown):
        text += [_LINK.sub(lead, markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*text, _LINK.sub(lead, markdown[last:])])
