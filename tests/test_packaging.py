"""A built wheel, installed into an empty folder, brings configs and tools where MIM looks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from street_files import cityscapes, gta5

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

#: A user's config that inherits from one of the wheel's.
TINY = """
_base_ = ['{configs}/asg/mini_gta2cityscapes_baseline.py']
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(16, 16)), dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=2, dataset=dict(dataset=dict(
    data_root='data/gta5', pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(data_root='data/cityscapes'))
test_dataloader = val_dataloader
model = dict(data_preprocessor=dict(size=(16, 16)), backbone=dict(init_cfg=None))
train_cfg = dict(max_iters=1, val_interval=1)
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


def run(installed, folder, *words):
    """Run Python where nothing of the clone is in sight but the environment's packages."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={
            "PYTHONPATH": str(installed),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "PYTHONWARNINGS": "ignore",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert str(ROOT) not in done.stdout + done.stderr, "the clone's files were used"
    return done


@pytest.mark.slow
def test_commands_of_the_installed_wheel(installed, tmp_path):
    """The doctor, a training, a test and a prediction, in a folder of the user's own."""
    gta5(tmp_path / "data/gta5", raw=False)
    (tmp_path / "data/gta5/train.txt").write_text("".join(f"{n:05d}\n" for n in range(1, 7)))
    for split in ("val", "test"):
        cityscapes(tmp_path / "data/cityscapes", split=split)
    (tmp_path / "tiny.py").write_text(
        TINY.replace("{configs}", str(installed / "mmasg/.mim/configs"))
    )
    config = "configs/asg/mini_gta2cityscapes_baseline.py"
    doctor = run(installed, tmp_path, "-m", "mmasg", "check_data", "tiny.py", "--workers", 1)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "train: GTA5Dataset, 6 listed, 6 opened" in doctor.stdout
    trained = run(installed, tmp_path, "-m", "mmasg", "train", "tiny.py")
    assert trained.returncode == 0, trained.stderr[-3000:]
    checkpoint = "work_dirs/tiny/iter_1.pth"
    assert (tmp_path / checkpoint).is_file()
    # The config of the wheel itself, by its name in a clone.
    images = tmp_path / "data/gta5/images"
    command = ["-m", "mmasg", "predict", config, checkpoint, images, "--out", "predicted"]
    predicted = run(installed, tmp_path, *command)
    assert predicted.returncode == 0, predicted.stderr[-3000:]
    assert len(list((tmp_path / "predicted").glob("*_overlay.png"))) == 6


@pytest.mark.slow
def test_installed_wheel_lists_its_commands(installed, tmp_path):
    listed = run(installed, tmp_path, "-m", "mmasg")
    assert listed.returncode == 0 and "Predict images without labels\n" in listed.stdout
    assert "dataset_converters/gta " in listed.stdout
    assert f"configs: {installed / 'mmasg/.mim/configs'}" in listed.stdout


@pytest.mark.slow
def test_installed_wheel_loads_its_own_configs(installed, tmp_path):
    # The folder holds mmasg alone; what it depends on comes from the running environment.
    loaded = run(installed, tmp_path, "-c", LOAD, installed)
    assert loaded.returncode == 0, loaded.stderr
    leaves = len(list((ROOT / "configs" / "asg").glob("*.py")))
    assert f"configs {leaves}" in loaded.stdout


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
