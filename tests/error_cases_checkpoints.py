"""Wrong checkpoints; the rest is in tests/error_cases.py."""

import pickle

import engine_toy
import numpy as np
import torch
from error_cases import Code, case, start, toy
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from seg_toy import build_runner, resnet18, segmentor

from mmasg.guard.dumped_config import check_dumped_config
from mmasg.guard.step_dump import load_step_dump


def with_load_from(folder, write):
    path = folder / "start.pth"
    config = toy(folder)
    write(path)
    start(config | dict(load_from=str(path)))


@case("Checkpoints", "`load_from` names no file", "load_from", "Check the path")
def _(folder, patch):
    with_load_from(folder, lambda path: None)


@case("Checkpoints", "`load_from` with pickled code", "load_from", "Ask its author")
def _(folder, patch):
    with_load_from(folder, lambda path: torch.save(dict(state_dict={}, x=Code()), path))


@case("Checkpoints", "`load_from` is a bare pickle with code", "load_from", "Ask its author")
def _(folder, patch):
    with_load_from(folder, lambda path: path.write_bytes(pickle.dumps(Code(), protocol=2)))


@case("Checkpoints", "`load_from` is truncated", "load_from", "Download or copy it again")
def _(folder, patch):
    with_load_from(folder, lambda path: path.write_bytes((folder / "r18.pth").read_bytes()[:5000]))


@case("Checkpoints", "`load_from` is no checkpoint", "load_from", "Download or copy it again")
def _(folder, patch):
    with_load_from(folder, lambda path: path.write_text("<html>404 not found</html>"))


@case("Checkpoints", "`load_from` with an array of objects", "load_from", "Ask its author")
def _(folder, patch):
    content = dict(state_dict={}, names=np.array(["a", 1], dtype=object))
    with_load_from(folder, lambda path: torch.save(content, path))


def with_misfit(folder, change, testing=True, **switches):
    """What tools/test.py says, and tools/train.py."""
    config = toy(folder)
    weights = build_runner(toy(folder)).model.state_dict()
    torch.save(dict(state_dict=change(weights)), folder / "start.pth")
    config["custom_hooks"].append(dict(type="CheckpointFitHook", testing=testing, **switches))
    start(config | dict(load_from=str(folder / "start.pth")))


def under(prefix):
    return lambda weights: {prefix + name: value for name, value in weights.items()}


@case("Checkpoints", "testing weights of another number of classes", "conv_seg", "--allow-partial")
def _(folder, patch):
    with_misfit(folder, lambda w: {k: v[:2] if "conv_seg" in k else v for k, v in w.items()})


@case("Checkpoints", "testing weights under a prefix", "'model.' in front", "--prefix model.")
def _(folder, patch):
    with_misfit(folder, under("model."))


@case("Checkpoints", "`load_from` of which no name fits", "load_from", "--prefix student.")
def _(folder, patch):
    with_misfit(folder, under("student."), testing=False)


@case("Checkpoints", "`load_from` a file of the backbone alone", "load_from", "model.backbone.init")
def _(folder, patch):
    part = "backbone."
    with_misfit(
        folder,
        lambda w: {k.removeprefix(part): v for k, v in w.items() if k.startswith(part)},
        testing=False,
    )


@case("Checkpoints", "`--prefix` that no name has", "--prefix", "it has")
def _(folder, patch):
    with_misfit(folder, lambda weights: weights, prefix="teacher.")


@case("Checkpoints", "a misspelt model of torchvision", "torchvision://resnet10", "Did you mean")
def _(folder, patch):
    start(toy(folder, model=segmentor(resnet18("torchvision://resnet10"))))


def resumed(folder, first=None, second=None, break_=None):
    def config(change):
        config = engine_toy.toy_config(folder / "run", max_iters=6)
        config["default_hooks"]["checkpoint"].update(type="AtomicCheckpointHook", interval=3)
        (change or (lambda c: None))(config)
        return config

    engine_toy.run_toy(config(first))
    if break_ is not None:
        break_()
    again = config(second)
    again["resume"] = True
    engine_toy.run_toy(again)


@case("Checkpoints", "`--resume` in the work dir of another model", "work_dir", "--work-dir")
def _(folder, patch):
    resumed(folder, second=lambda c: c["model"].update(width=8))


@case("Checkpoints", "`--resume` with other layer groups", "paramwise_cfg", "--work-dir")
def _(folder, patch):
    def groups(config):
        named = [dict(name="body", patterns=["backbone.*"]), dict(name="rest", rest=True)]
        config["optim_wrapper"].update(
            constructor="LayerGroupOptimWrapperConstructor", paramwise_cfg=dict(groups=named)
        )

    resumed(folder, second=groups)


@case("Checkpoints", "`--resume` where no checkpoint is whole", "last_checkpoint", "Start anew")
def _(folder, patch):
    def truncate():
        for path in (folder / "run").glob("*.pth"):
            path.write_bytes(path.read_bytes()[:100])

    resumed(folder, break_=truncate)


@case("Checkpoints", "`--resume` within an epoch, with another batch size", "epochs of", "Resume")
def _(folder, patch):
    def epochs(batch_size):
        def change(config):
            config["train_cfg"] = dict(type="ResumableEpochBasedTrainLoop", max_epochs=1)
            config["train_dataloader"].update(
                batch_size=batch_size, sampler=dict(type="KeyedDefaultSampler")
            )
            config["default_hooks"]["checkpoint"]["save_last"] = False
            config["default_hooks"]["checkpoint"]["interval"] = 4

        return change

    resumed(folder, first=epochs(4), second=epochs(12))


@case("Checkpoints", "a dump to replay that is something else", "r18.pth", "NonFiniteLossHook")
def _(folder, patch):
    toy(folder)
    load_step_dump(folder / "r18.pth")


@case("Checkpoints", "a dump whose config names a function", "model.type in the file", "Import")
def _(folder, patch):
    check_dumped_config(dict(model=dict(type="os.system", command="true")))


@case("Checkpoints", "a dump with a hook of another package", "custom_hooks[0]", "--drop-hook")
def _(folder, patch):
    HOOKS.register_module(name="HookOfATest", module=type("HookOfATest", (Hook,), {}), force=True)
    check_dumped_config(dict(custom_hooks=[dict(type="HookOfATest")]))
