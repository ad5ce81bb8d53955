import re
from types import SimpleNamespace

import pytest

import mmasg
from mmasg import dependencies
from mmasg.dependencies import APT_LINE, check_dependencies

VERSIONS = {
    "torch": "2.13.0+cpu",
    "cv2": "4.11.0",
    "mmengine": "0.10.12",
    "mmcv": "2.3.6",
    "mmseg": "1.4.2",
    "mmseg.models": None,
}
ONEDL = ("onedl-mmengine", "onedl-mmcv", "onedl-mmsegmentation")


@pytest.fixture
def check(monkeypatch):
    """Plays modules of these versions (an exception: what their import raises)."""

    def play(versions=VERSIONS, distributions=ONEDL):
        def import_module(name):
            if name not in versions:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if isinstance(versions[name], Exception):
                raise versions[name]
            found = versions[name]
            return SimpleNamespace() if found is None else SimpleNamespace(__version__=found)

        def version(name):
            if name not in distributions:
                raise dependencies.metadata.PackageNotFoundError(name)
            return "1"

        monkeypatch.setattr(dependencies, "import_module", import_module)
        monkeypatch.setattr(dependencies.metadata, "version", version)
        return check_dependencies()

    return play


def test_families(check):
    assert mmasg.OPENMMLAB_FAMILY == check_dependencies()
    assert check() == "onedl"
    assert check(VERSIONS | {"torch": "2.4.0", "mmcv": "2.1.0"}, ()) == "openmmlab"
    assert check(distributions=ONEDL[:2]) == "mixed"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch", r"mmasg needs torch >= 2\.4, found none\. Install it by: pip install 'torch"),
        ("cv2", "needs cv2 >= 4.5, found none.*pip install 'opencv-python"),
        (
            "mmengine",
            r"needs mmengine >= 0\.10\.4, found none\. Install it by: pip install onedl-mmengine "
            "onedl-mmcv onedl-mmsegmentation",
        ),
        ("mmcv", "needs mmcv >= 2.0.0, found none"),
        ("mmseg", "needs mmseg >= 1.2.2, found none"),
    ],
)
def test_missing(name, message, check):
    with pytest.raises(ImportError, match=message):
        check({k: v for k, v in VERSIONS.items() if k != name})


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        (
            "torch",
            "2.3.1+cu121",
            r"needs torch >= 2\.4, found 2\.3\.1\+cu121\. Upgrade it by: pip install -U 'torch>=2",
        ),
        ("mmengine", "0.9.1", r"found 0\.9\.1\. Upgrade it by: pip install -U onedl-"),
        ("mmcv", "1.7", r"needs mmcv >= 2\.0\.0, found 1\.7"),
    ],
)
def test_too_old(name, version, message, check):
    with pytest.raises(ImportError, match=message):
        check(VERSIONS | {name: version})


@pytest.mark.parametrize("version", ["2.4", "2.4.0", "2.10.0", "2.4.0a0+gitabc", "3", None, "git"])
def test_recent_enough_or_built_from_source(version, check):
    assert check(VERSIONS | {"torch": version}) == "onedl"


@pytest.mark.parametrize("library", ["libGL.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0"])
def test_system_library_that_opencv_needs(library, check):
    error = ImportError(f"{library}: cannot open shared object file: No such file or directory")
    message = f"mmasg: cv2 does not import .*{re.escape(library)}.*{re.escape(APT_LINE)}.*headless"
    with pytest.raises(ImportError, match=message) as caught:
        check(VERSIONS | {"cv2": error})
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImportError("cannot import name 'Config'"), r"\(cannot import name 'Config'\)"),
        (ModuleNotFoundError("No module named 'ftfy'", name="ftfy"), r"No module named 'ftfy'"),
        (AssertionError("MMCV==2.3.0 is used but incompatible."), "MMCV==2.3.0 is used"),
    ],
)
def test_broken_install(error, message, check):
    message = f"mmseg is installed but does not import .*{message}.* pip install --force-reinstall"
    with pytest.raises(ImportError, match=message):
        check(VERSIONS | {"mmseg": error})


def test_mmcv_without_its_operations(check):
    error = ModuleNotFoundError("No module named 'mmcv._ext'", name="mmcv._ext")
    with pytest.raises(ImportError, match=r"models do not import \(.*_ext.*mmcv-lite lacks.*onedl"):
        check(VERSIONS | {"mmseg.models": error})


def test_nothing_else_is_asked_for():
    # What single commands need (cityscapesscripts, scikit-learn) they ask for by themselves.
    assert [r.module for r in dependencies.REQUIREMENTS] == [*VERSIONS][:5]
