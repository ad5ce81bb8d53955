import pytest

from mmasg.files.json_file import read_json


def test_an_object_is_returned(tmp_path):
    (tmp_path / "a.json").write_text('{"b": [1, null]}')
    assert read_json(tmp_path / "a.json", "--json", "tools/x.py") == {"b": [1, None]}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"\x00" * 9])
def test_what_is_no_json(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    message = r"(?s)--json: .*a.json is no whole JSON file .*by tools/x"
    with pytest.raises(ValueError, match=message) as caught:
        read_json(tmp_path / "a.json", "--json", "tools/x.py")
    assert type(caught.value) is ValueError


def test_what_is_no_object(tmp_path):
    (tmp_path / "a.json").write_text("3")
    with pytest.raises(ValueError, match="--json: .* holds a int, and it has to hold an object"):
        read_json(tmp_path / "a.json", "--json", "tools/x.py")
    with pytest.raises(FileNotFoundError, match="--json: there is no file .*; tools/x.py writes"):
        read_json(tmp_path / "none.json", "--json", "tools/x.py")
