"""The commands below tools/ from anywhere: ``python -m mmasg train CONFIG``.

In a clone that is ``python tools/train.py CONFIG``; an installed package brings the commands along.
"""

from __future__ import annotations

import ast
import runpy
import sys

from mmasg.commands.shipped_files import shipped
from mmasg.errors import did_you_mean


def main() -> None:
    """Run the command that the first word names, with the words after it."""
    tools = shipped("tools")
    files = {f.relative_to(tools).with_suffix("").as_posix(): f for f in tools.rglob("*.py")}
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print("usage: python -m mmasg COMMAND ... (python -m mmasg COMMAND --help says more)\n")
        for known, file in sorted(files.items()):
            about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            print(f"  {known:<30} {about.splitlines()[0].partition(': ``')[0]}")
        print(f"\nconfigs: {shipped('configs')}")
    elif name not in files:
        print(
            f"error: there is no command {name!r}.{did_you_mean(name, files)} "
            "python -m mmasg --help lists them",
            file=sys.stderr,
        )
        sys.exit(2)
    else:
        sys.argv = [str(files[name]), *sys.argv[2:]]
        runpy.run_path(str(files[name]), run_name="__main__")


if __name__ == "__main__":
    main()
