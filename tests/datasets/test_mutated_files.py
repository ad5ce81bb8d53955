"""Files from others, broken in hundreds of ways: errors of ours alone, no traceback, no hang."""

import io
import random
import time

import numpy as np
import pytest
from PIL import Image

from mmasg.datasets.conversion.id_map import load_id_map
from mmasg.datasets.conversion.label_conversion import read_ids
from mmasg.datasets.image_list import classes_of_list, read_image_list
from mmasg.datasets.split_files import read_split, read_split_mat
from mmasg.files.sound_pair import KINDS, find_faults

MAP = b"unlisted: ignore\nmap:\n  17: road\n  300: 'car' # c\n  !!int '4': &a ignore\n  5: *a\n"
CSV = b'red,green,blue,class\r\n128,64,128,road\r\n0,0,142,"car"\r\n'
SPLIT = b"\xef\xbb\xbfulm/a b_1.png ulm/a b_1_labelTrainIds.png\r\n.\\x\\2\r\n# c\r\n00003\t\r\n"
LIST = "bus/1 a.png 0\ncar\\2.png 1\n./bus/\u00fc.png 0\n".encode()
TOKENS = (
    b"\0|\xff\xfe|\xef\xbb\xbf|\n|\r|\t| |*a|&a |!!timestamp |!!binary |<<: |[|{|? |- |'|\"|\\|//"
    b"|../|-1|.inf|2001-99-99|\xc3|IDAT|\x7f\xff|\xd9\xa3\xc2\xb2|" + b"9" * 400
).split(b"|")


def mutated(content: bytes, seed: int) -> bytes:
    draw = random.Random(seed)
    data = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(5)
        if kind == 0:
            data[at : at + draw.randint(1, 8)] = b""
        elif kind == 1:
            data[at:at] = draw.choice(TOKENS)
        elif kind == 2 and at < len(data):
            data[at] = draw.randrange(256)
        elif kind == 3:
            data[at:at] = data[draw.randrange(len(data) + 1) :][: draw.randint(1, 40)]
        else:
            del data[at:]
    return bytes(data)


def ours(error: BaseException) -> bool:
    """Raised by a line of ours, not passed on from a library."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return "mmasg" in trace.tb_frame.f_code.co_filename


def refusals(path, content, read, number):
    """Reads mutations; how many are refused, each by an error of ours and at once."""
    refused = 0
    for seed in range(number):
        path.write_bytes(mutated(content, seed))
        began = time.process_time()
        try:
            read()
        except (ValueError, FileNotFoundError) as error:
            assert ours(error) and str(error), f"seed {seed}: {error!r}"
            refused += 1
        assert time.process_time() - began < 2, f"seed {seed}"
    return refused


@pytest.mark.parametrize(
    ("name", "content"), [("m.yaml", MAP), ("m.csv", CSV)], ids=["yaml", "csv"]
)
def test_id_maps(tmp_path, name, content):
    assert 30 < refusals(tmp_path / name, content, lambda: load_id_map(tmp_path / name), 200) < 200


def test_a_map_of_aliases_within_aliases(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    for text in ("\n".join([*lines, "map: {1: *a11}"]), "map: " + "[" * 3000, "? [1]\n: 2\n"):
        (tmp_path / "m.yaml").write_text(text)
        with pytest.raises(ValueError, match="lists within lists|not valid YAML|expected 'map:'"):
            load_id_map(tmp_path / "m.yaml")


def test_split_lists(tmp_path):
    path = tmp_path / "train.txt"
    read = lambda: read_split(path, None, (".png", "_labelTrainIds.png"))  # noqa: E731
    assert 30 < refusals(path, SPLIT, read, 200) < 200


def test_split_mat(tmp_path):
    from scipy.io import savemat

    path = tmp_path / "split.mat"
    savemat(path, dict(trainIds=[1, 2], valIds=[3], testIds=[4]))
    assert 10 < refusals(path, path.read_bytes(), lambda: read_split_mat(path), 60)


def test_image_lists(tmp_path):
    path = tmp_path / "list.txt"

    def read():
        classes_of_list(read_image_list(path, tmp_path, check_images=False))
        read_image_list(path, tmp_path, ["bus", "car"])

    assert refusals(path, LIST, read, 200) > 150  # there are no images


def test_label_files(tmp_path):
    ids = np.arange(48).reshape(6, 8).astype(np.uint8)
    palette = Image.fromarray(ids).convert("P")
    path = tmp_path / "label.png"
    found = set()
    for picture in (Image.fromarray(ids), palette, Image.fromarray(ids.astype(np.uint16) * 99)):
        stream = io.BytesIO()
        picture.save(stream, format="PNG")
        refusals(path, stream.getvalue(), lambda: read_ids(path), 60)
        for seed in range(60):
            path.write_bytes(mutated(stream.getvalue(), seed))
            for everything in (False, True):
                faults, _ = find_faults(None, path, everything=everything)
                assert all(fault.kind in KINDS and str(path) in fault.text for fault in faults)
                found |= {fault.kind for fault in faults}
    assert {"unreadable", "overflow"} <= found
