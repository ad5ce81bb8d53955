"""Provokes wrong inputs and writes what each gives to docs/errors.md.

UPDATE_DOCS=1 python -m pytest tests/test_errors_page.py writes the page anew.
"""

import os
import re
import traceback
from pathlib import Path

import error_cases_adaptation  # noqa: F401  (adds its cases)
import error_cases_checkpoints  # noqa: F401  (adds its cases)
import error_cases_comparisons  # noqa: F401  (adds its cases)
import error_cases_data  # noqa: F401  (adds its cases)
import error_cases_neighbours  # noqa: F401  (adds its cases)
import error_cases_policies  # noqa: F401  (adds its cases)
import error_cases_rates  # noqa: F401  (adds its cases)
import error_cases_taxonomy  # noqa: F401  (adds its cases)
import error_cases_tools  # noqa: F401  (adds its cases)
import error_cases_training  # noqa: F401  (adds its cases)
import pytest
from error_cases import CASES

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = """# Wrong inputs and what they give

Each row is provoked by the test suite (`tests/error_cases.py`), which also writes this page:
`UPDATE_DOCS=1 python -m pytest tests/test_errors_page.py`. Paths are shortened to `DIR`, lists of
names to their first lines. Checkpoints with pickled code are found before anything in them runs.

| Where | Input | Error |
| --- | --- | --- |
"""
ROWS = {}


def shorten(message, folder):
    message = message.replace(str(folder), "DIR")
    message = message.replace(str(PAGE.parents[1]), "CLONE")
    message = re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+(?=[\w.+-]+)", "", message)
    message = re.sub(r"torch \d[\w.+]*|PyTorch \d[\w.+]*", "PyTorch", message)
    message = re.sub(r"\d+(\.\d+)? MiB", "N MiB", message)
    message = re.sub(r"\d+ bytes", "N bytes", message)
    message = " ".join(message.split()).replace("|", "\\|")
    return message if len(message) <= 600 else message[:597] + "..."


def beginning(row):
    cells = row.split(" | ")
    return [*cells[:2], " | ".join(cells[2:])[:70]]


@pytest.mark.parametrize(
    "section, what, key, remedy, provoke", CASES, ids=[re.sub(r"\W+", "_", c[1]) for c in CASES]
)
def test_message(section, what, key, remedy, provoke, tmp_path, monkeypatch):
    with pytest.raises(Exception) as caught:
        provoke(tmp_path, monkeypatch)
    error = caught.value
    # What Python or torch say by themselves is no message to a user.
    assert not isinstance(error, (KeyError, IndexError, AttributeError, AssertionError))
    inner = traceback.extract_tb(error.__traceback__)[-1].filename
    assert f"{os.sep}torch{os.sep}" not in inner, f"from inside torch: {error}"
    message = str(error)
    assert key in message, message
    assert remedy in message, message
    ROWS[what] = (
        f"| {section} | {what} | `{type(error).__name__}`: {shorten(message, tmp_path)} |\n"
    )


def test_page_is_up_to_date(request):
    if len(ROWS) != len(CASES):
        if hasattr(request.config, "workerinput") or not os.environ.get("UPDATE_DOCS"):
            pytest.skip("compares only after all cases above have run in this process")
    assert len(CASES) >= 40 and len({c[1] for c in CASES}) == len(CASES)
    page = HEAD + "".join(ROWS[c[1]] for c in CASES)
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page)
    # The beginnings: what follows names files and choices which come and go.
    written = PAGE.read_text()[len(HEAD) :].splitlines()
    expected = [ROWS[c[1]].rstrip("\n") for c in CASES]
    assert [beginning(row) for row in written] == [beginning(row) for row in expected], (
        "the page is old: UPDATE_DOCS=1 python -m pytest tests/test_errors_page.py"
    )
