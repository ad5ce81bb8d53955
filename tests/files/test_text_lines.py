import codecs

import pytest

from mmasg.files.text_lines import read_lines


def test_lines_as_people_write_them(tmp_path):
    path = tmp_path / "list.txt"
    text = "# frames\r\n  a\\b c.png \r\n\r\n./d\r.//./e\n #x\nü"
    for content in (
        text.encode(),
        codecs.BOM_UTF8 + text.encode(),
        codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ):
        path.write_bytes(content)
        assert read_lines(path) == [(2, "a/b c.png"), (4, "d"), (5, "e"), (7, "ü")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n\xff", "is no text file .byte 2 is not utf-8.: save it as UTF-8"),
        (b"a\0b", "it holds zero bytes"),
        (b"ok\n" + b"x " * 3000, "line 2 has 5999 characters; it names no file"),
    ],
)
def test_what_is_no_list(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_lines(tmp_path / "list.txt")
