"""A built wheel, installed into an empty folder, brings configs and tools where MIM looks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

LOAD = """
import pathlib, sys
import mmasg
from mmengine.config import Config
home = pathlib.Path(mmasg.__file__).parent
assert str(home).startswith(sys.argv[1]), home
mim = home / '.mim'
cfg = Config.fromfile(mim / 'configs/asg/mini_gta2cityscapes_consistency.py')
assert cfg.custom_hooks[-1].type == 'ImageNetConsistencyHook'
assert (mim / 'tools/train.py').is_file() and (mim / 'tools/dist_train.sh').is_file()
print('configs', len(list((mim / 'configs/asg').glob('*.py'))))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, so that building leaves nothing behind in the checkout.
    source = folder / "source"
    source.mkdir()
    rubbish = shutil.ignore_patterns("__pycache__", ".mim", "*.egg-info")
    for name in ("mmasg", "configs", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=rubbish)
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    shutil.copy2(ROOT / "model-index.yml", source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run([*pip, *wheel], check=True, cwd=folder)
    (built,) = folder.glob("mmasg-*.whl")
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-compile", "--target", str(target), str(built)],
        check=True,
    )
    return target


@pytest.mark.slow
def test_installed_wheel_loads_its_own_configs(installed, tmp_path):
    # The folder holds mmasg alone; what it depends on comes from the running environment.
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(installed)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    leaves = len(list((ROOT / "configs" / "asg").glob("*.py")))
    assert f"configs {leaves}" in run.stdout


@pytest.mark.slow
def test_wheel_holds_model_index_and_no_rubbish(installed):
    mim = installed / "mmasg" / ".mim"
    index = yaml.safe_load((mim / "model-index.yml").read_text())
    for name in index["Import"]:
        models = yaml.safe_load((mim / name).read_text())["Models"]
        for model in models:
            assert (mim / model["Config"]).is_file(), model["Name"]
    assert not list(mim.rglob("__pycache__"))
    assert not (installed / "tests").exists()
