import re

import pytest

import mmasg
from mmasg.dependencies import APT_LINE, check_dependencies

ONEDL = {
    "torch": "2.13.0+cpu",
    "opencv-python": "4.11.0.86",
    "onedl-mmengine": "0.10.12",
    "onedl-mmcv": "2.3.6",
    "onedl-mmsegmentation": "1.4.2",
}
ORIGINAL = {
    "torch": "2.4.0",
    "opencv-python-headless": "4.5",
    "mmengine": "0.10.7",
    "mmcv": "2.1.0",
    "mmsegmentation": "1.2.2",
}


def check(versions, broken=None, error=None):
    def import_module(name):
        if name == broken:
            raise error
        return object()

    return check_dependencies(versions.get, import_module)


def test_families():
    assert check(ONEDL) == "onedl"
    assert check(ORIGINAL) == "openmmlab"
    mixed = {k: v for k, v in ONEDL.items() if k != "onedl-mmcv"} | {"mmcv": "2.1.0"}
    assert check(mixed) == "mixed"
    assert mmasg.OPENMMLAB_FAMILY == check_dependencies()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch", r"mmasg needs torch >= 2\.4, found none \(looked for torch\)\. Install it by: p"),
        ("opencv-python", "needs cv2 >= 4.5, found none .*opencv-python or opencv-python-headless"),
        ("onedl-mmengine", r"needs mmengine >= 0\.10\.4, found none \(looked for onedl-mmengine or "
         r"mmengine\)\. Install it by: pip install onedl-mmengine onedl-mmcv onedl-mmsegmentation"),
        ("onedl-mmcv", "needs mmcv >= 2.0.0, found none"),
        ("onedl-mmsegmentation", "needs mmseg >= 1.2.2, found none"),
    ],
)  # fmt: skip
def test_missing(name, message):
    with pytest.raises(ImportError, match=message):
        check({k: v for k, v in ONEDL.items() if k != name})


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("torch", "2.3.1+cu121", r"needs torch >= 2\.4, found torch 2\.3\.1\+cu121\. Upgrade it "
         r"by: pip install -U 'torch>=2\.4'"),
        ("onedl-mmengine", "0.9.1", "found onedl-mmengine 0.9.1. Upgrade it by: pip install -U o"),
        ("onedl-mmcv", "1.7", "needs mmcv >= 2.0.0, found onedl-mmcv 1.7"),
    ],
)  # fmt: skip
def test_too_old(name, version, message):
    with pytest.raises(ImportError, match=message):
        check(ONEDL | {name: version})


@pytest.mark.parametrize("version", ["2.4", "2.4.0", "2.10.0", "2.4.0a0+gitabc", "3"])
def test_recent_enough(version):
    assert check(ONEDL | {"torch": version}) == "onedl"


@pytest.mark.parametrize("library", ["libGL.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0"])
def test_system_library_that_opencv_needs(library):
    error = ImportError(f"{library}: cannot open shared object file: No such file or directory")
    message = f"mmasg: cv2 does not import .*{re.escape(library)}.*{re.escape(APT_LINE)}.*headless"
    with pytest.raises(ImportError, match=message) as caught:
        check(ONEDL, "cv2", error)
    assert caught.value.__cause__ is error


def test_broken_install():
    error = ImportError("cannot import name 'Config'")
    message = (
        r"mmseg is installed but does not import \(cannot import name 'Config'\)\. "
        "Install it anew by: pip install --force-reinstall onedl-"
    )
    with pytest.raises(ImportError, match=message):
        check(ONEDL, "mmseg", error)
