"""Every Python block of the documents is run: as a config, trained for two iterations on toy data.

The first line of a block says what it is: ``# at the end of your config`` (of one written whole;
``..., below the first block`` continues it) or ``# NAME.py``, a config that inherits. The config of
the user is one that MMSegmentation ships.
"""

import copy
import json
import re
from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from seg_toy import SegToyDataset, resnet18, write_imagenet_file

from mmasg import OPENMMLAB_FAMILY
from mmasg.guard.run_check import check_run

ROOT = Path(__file__).parents[1]
SHIPPED = "fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py"
END = "# at the end of your config"
DOCUMENTS = [ROOT / "README.md", ROOT / "data/README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: A hook that the user's config has already, and which must still be there.
OWN_HOOK = "custom_hooks = [dict(type='EMAHook')]\n"


def blocks(document):
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def inheriting(document):
    """``{file name: text}`` of the blocks that are configs of their own."""
    named = ((re.match(r"# (\w+\.py)\n", block), block) for block in blocks(document))
    return {match[1]: block for match, block in named if match}


def whole(document):
    """The end of a config that is written whole, once for each block: with all blocks before."""
    texts, so_far = [], ""
    for block in blocks(document):
        if block.startswith(END):
            so_far = so_far + block if block.startswith(f"{END}, below") else block
            texts.append(so_far)
    return texts


def tiny(cfg, folder):
    """Make a shipped config small: data, sizes, two iterations; what the block says stays."""
    cfg = copy.deepcopy(cfg)
    file = write_imagenet_file(folder / "r18.pth", resnet18(type="mmseg.ResNetV1c"))
    small = dict(type="BN", requires_grad=True)
    cfg.model.pretrained = None
    cfg.model.backbone.update(depth=18, base_channels=8, stem_channels=8, norm_cfg=small)
    cfg.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=file)
    cfg.model.data_preprocessor.size = (32, 32)
    cfg.model.decode_head.update(in_channels=64, channels=8, num_classes=3, norm_cfg=small)
    cfg.model.auxiliary_head.update(in_channels=32, channels=8, num_classes=3, norm_cfg=small)
    data = dict(type=SegToyDataset.__name__)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, dataset=data)
    for part in ("dataloader", "cfg", "evaluator"):
        cfg[f"val_{part}"] = cfg[f"test_{part}"] = None
    cfg.train_cfg.max_iters = 2
    for hook in cfg.custom_hooks:
        if "window" in hook:
            hook.window.min_iters = 1
    cfg.default_hooks.pop("visualization")
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = str(folder / "run")
    cfg.experiment_name = cfg.visualizer.name = folder.name  # mmengine keeps named singletons
    return cfg


def train(cfg, folder):
    """Train; what it logged, multipliers of rates included, and the types of its custom hooks."""
    cfg = tiny(cfg, folder)
    check_run(cfg)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    (file,) = Path(cfg.work_dir).glob("*/vis_data/scalars.json")
    logged = {key for line in file.read_text().splitlines() for key in json.loads(line)}
    return logged, [hook.type for hook in cfg.custom_hooks]


@pytest.fixture
def users(tmp_path):
    """The user's folder, with the config that is written whole."""
    folder = Path(mmseg.__file__).parent / ".mim" / "configs"
    text = Config.fromfile(str(folder / SHIPPED)).pretty_text
    (tmp_path / "my_config.py").write_text(text + OWN_HOOK)
    return tmp_path


def test_every_block_says_what_it_is():
    assert len(blocks(DOCUMENTS[0])) == 6
    for document in DOCUMENTS:
        known = len(inheriting(document)) + len(whole(document))
        assert known == len(blocks(document)), f"{document.name}: {END} or # NAME.py in front"


WHOLE = [(d.relative_to(ROOT).as_posix(), i) for d in DOCUMENTS for i in range(len(whole(d)))]
NAMED = [(d.relative_to(ROOT).as_posix(), name) for d in DOCUMENTS for name in inheriting(d)]


@pytest.mark.parametrize(("document", "index"), WHOLE)
def test_block_at_the_end_of_a_config_written_whole(users, document, index):
    text = whole(ROOT / document)[index]
    path = users / "my_config.py"
    path.write_text(path.read_text().replace(OWN_HOOK, "") + text)
    logged, hooks = train(Config.fromfile(str(path)), users)
    assert {"loss_imagenet", "kl_imagenet"} <= logged
    assert ("LayerLRPolicyHook" in hooks) == ("LayerLRPolicyHook" in text)
    assert ("lr_mult/layer4" in logged) == ("LayerLRPolicyHook" in hooks)
    assert ("relative_step/layer4" in logged) == ("RelativeStepHook" in text)


@pytest.mark.parametrize(("document", "name"), NAMED)
def test_block_that_inherits(users, document, name):
    for file, text in inheriting(ROOT / document).items():
        (users / file).write_text(text)
    logged, hooks = train(Config.fromfile(str(users / name)), users)
    assert {"loss_imagenet", "kl_imagenet"} <= logged
    assert hooks[:2] == ["EMAHook", "ImageNetConsistencyHook"]
    text = inheriting(ROOT / document)[name]
    added = [h for h in ("LayerLRPolicyHook", "RelativeStepHook") if h in text]
    assert hooks[2:] == added
    assert ("lr_mult/layer4" in logged) == ("LayerLRPolicyHook" in added)
    assert ("relative_step/layer4" in logged) == ("RelativeStepHook" in added)


def test_a_block_that_inherits_from_mmsegmentation_itself(users):
    """``_base_ = 'mmseg::...'``, where mmengine finds the package by the originals' name."""
    text = inheriting(DOCUMENTS[0])["my_asg.py"]
    assert '_base_ = "./my_config.py"' in text and f'"mmseg::{SHIPPED}"' in DOCUMENTS[0].read_text()
    path = users / "my_asg.py"
    path.write_text(text.replace("./my_config.py", f"mmseg::{SHIPPED}"))
    try:
        cfg = Config.fromfile(str(path))
    except Exception:
        if OPENMMLAB_FAMILY == "openmmlab":
            raise
        pytest.skip("onedl-mmengine looks for mmseg:: in a distribution named mmsegmentation")
    logged, hooks = train(cfg, users)
    assert {"loss_imagenet", "kl_imagenet"} <= logged and hooks == ["ImageNetConsistencyHook"]


def commands(document):
    """``(command, its switches)`` of every line that runs a command of ours."""
    text = re.sub(r"\\\n\s*", " ", document.read_text(encoding="utf-8"))
    found = re.findall(r"python (?:-m mmasg |tools/)([\w/]+)(?:\.py)?([^\n`]*)", text)
    return [(name, re.findall(r"(?<!\S)--[a-z-]+", rest)) for name, rest in found]


def test_commands_of_the_documents_are_there_with_their_switches():
    shared = [
        *(ROOT / "mmasg/commands").glob("*.py"),
        *(ROOT / "mmasg").rglob("converter_command.py"),
    ]
    common = "".join(file.read_text(encoding="utf-8") for file in shared)
    lost, seen = [], 0
    for document in DOCUMENTS:
        for name, switches in commands(document):
            if name == "COMMAND":
                continue
            tool = ROOT / f"tools/{name}.py"
            text = common + (tool.read_text(encoding="utf-8") if tool.is_file() else "")
            lost += [f"{document.name}: {name}"] * (not tool.is_file())
            lost += [f"{document.name}: {name} {s}" for s in switches if f'"{s}"' not in text]
            seen += 1
    assert not lost and seen > 20


def test_links_of_the_documents_lead_somewhere():
    lost = []
    for document in (*DOCUMENTS, ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if "://" not in link and not (document.parent / link).exists():
                lost.append(f"{document.name}: {link}")
    assert not lost
