"""The floors of the house: what CONTRIBUTING.md lists, and that imports only look down."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmasg"
#: Files that may be longer than 300 lines, with the reason.
LONG: dict[str, str] = {}


def floors():
    """Rooms in CONTRIBUTING.md's order, from the ground floor up: ``{name: number}``."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- floors -->(.*?)<!-- end of floors -->", text, re.DOTALL)[1]
    rooms = re.findall(r"^ {4}([a-z0-9_]+(?:/[a-z0-9_]+)*)(?:/|\.py) ", block, re.MULTILINE)
    return {room: number for number, room in enumerate(rooms)}


def modules():
    return sorted(p for p in PACKAGE.rglob("*.py") if ".mim" not in p.parts)


def room_of(module):
    """Longest listed room that a dotted module below ``mmasg`` lies in; the module, if none."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = "/".join(parts[:end])
        if name in floors():
            return name
    return module


def dotted(path):
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Dotted modules below ``mmasg`` that a file imports, anywhere in it, with the line."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    known = {dotted(p) for p in modules()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [a.name for a in node.names if a.name.startswith("mmasg.")]
            yield from ((name.removeprefix("mmasg."), node.lineno, False) for name in found)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                parents = package.split(".") if package else []
                base = ".".join(parents[: len(parents) - node.level + 1] + [node.module or ""])
                base = base.strip(".")
            elif node.module and node.module.split(".")[0] == "mmasg":
                base = node.module.removeprefix("mmasg").strip(".")
            else:
                continue
            for alias in node.names:
                name = f"{base}.{alias.name}".strip(".")
                yield (name if name in known else base), node.lineno, bool(node.level)


def test_every_module_is_in_a_room_that_the_map_lists():
    lost = [str(p) for p in modules() if dotted(p) and room_of(dotted(p)) not in floors()]
    assert not lost
    for room in floors():
        there = PACKAGE / room
        assert there.is_dir() or there.with_suffix(".py").is_file(), f"{room} is listed, not there"


def test_a_room_imports_only_from_the_floors_below():
    level = floors()
    upward = []
    for path in modules():
        if path == PACKAGE / "__init__.py":
            continue
        here = room_of(dotted(path))
        for target, line, _ in imports(path):
            if target and (there := room_of(target)) != here and level[there] > level[here]:
                upward.append(f"{path.relative_to(ROOT)}:{line} imports {target}, above {here}")
    assert not upward, "\n".join(upward)


def test_no_circle_among_modules():
    edges = defaultdict(set)
    for path in modules():
        if path.name != "__init__.py":
            edges[dotted(path)] = {t for t, _, _ in imports(path) if t != dotted(path)}
    state = {}

    def visit(module, trail):
        if state.get(module) == "done" or module not in edges:
            return
        assert state.get(module) != "open", " -> ".join([*trail, module])
        state[module] = "open"
        for target in edges[module]:
            visit(target, [*trail, module])
        state[module] = "done"

    for module in list(edges):
        visit(module, [])


def test_relative_imports_within_a_room_absolute_ones_across():
    mixed = []
    for path in modules():
        if path == PACKAGE / "__init__.py":
            continue
        folder = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
        for target, line, relative in imports(path):
            known = (PACKAGE / target.replace(".", "/")).with_suffix(".py").is_file()
            inside = target == folder or (known and target.rpartition(".")[0] == folder)
            if folder and inside != relative:
                mixed.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    assert not mixed, "\n".join(mixed)


@pytest.mark.parametrize("folder", ["mmasg", "tools"])
def test_no_file_is_over_300_lines(folder):
    long = {}
    for path in (ROOT / folder).rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        name = str(path.relative_to(ROOT))
        if lines > 300 and ".mim" not in path.parts and name not in LONG:
            long[name] = lines
    assert not long


def test_there_is_no_utils():
    assert not list(PACKAGE.rglob("*util*.py"))
