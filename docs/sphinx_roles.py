"""Docstrings speak reStructuredText's dialect of Sphinx; the site is written in Markdown.

mkdocstrings loads the extension below (mkdocs.yml). ``:class:`~mmasg.l2o.WindowRule``` becomes a
link where the name is known, literal blocks (``::``) lose their second colon, formulas are fenced.
"""

import re

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc|obj):`~?([\w.]+)`")
_MATH_ROLE = re.compile(r":math:`([^`]+)`")
_MATH = re.compile(r"^( *)\.\. math::(.*(?:\n(?:\1 +.*| *))*)", re.MULTILINE)


class SphinxRoles(griffe.Extension):
    """Turn roles of docstrings into links of the site."""

    def on_package(self, *, pkg, **_):
        """Change every docstring of a package once it is read whole."""
        for item in _all(pkg):
            if item.docstring is not None:
                item.docstring.value = markdown(item.docstring.value, item)


def _all(item):
    yield item
    for member in item.members.values():
        if not member.is_alias:
            yield from _all(member)


def markdown(text, item):
    """Return a docstring in Markdown.

    Args:
        text: The docstring.
        item: What it belongs to, in whose scope names are looked up.
    """

    def role(match):
        name = match[1]
        known = _known(name, item)
        shown = name.rsplit(".", 1)[-1] if match[0].split("`")[1].startswith("~") else name
        return f"[`{shown}`][{known}]" if known else f"`{shown}`"

    def math(match):
        lines = [line.strip() for line in match[2].strip().splitlines()]
        body = "\n".join(match[1] + line for line in lines if line)
        return f"{match[1]}$$\n{body}\n{match[1]}$$\n\n"

    text = _MATH.sub(math, text)
    text = _ROLE.sub(role, _MATH_ROLE.sub(r"$\1$", text))
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)


def _known(name, item):
    """Path of what a name stands for on the site, None where it has no place there."""
    package = item.package
    if not name.startswith(f"{package.name}."):
        try:
            name = item.resolve(name)
        except griffe.NameResolutionError:
            return None
    try:
        found = package[name.removeprefix(f"{package.name}.")]
        found = found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError):
        return None
    if any(part.startswith("_") for part in found.path.split(".")):
        return None
    # Constants are described by comments, rooms by the title of their page: neither has a place.
    if found.is_init_module or (found.is_attribute and found.docstring is None):
        return None
    return found.path
