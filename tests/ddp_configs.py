"""One rank that trains every config for two iterations: ``ddp_configs.py RANK FOLDER CONFIG...``.

The networks are theirs with fewer channels, the images noise; whatever decides which parameters
the loss reaches (heads, hooks, losses, groups) is as the config says.
"""

import os
import sys
from pathlib import Path

NARROW = 16  # divides the channels of ResNets, and in ddp_narrow_vgg.py of VGG-16
#: What they learn and remember beside the model has to be the same on all ranks, and go on there.
RESUMED = ("mini_gta2cityscapes_relative_contrast", "mini_gta2cityscapes_relative_whitening")


def main(rank, folder, paths):
    import ddp_narrow_vgg  # noqa: F401
    import ddp_parts  # noqa: F401
    import seg_toy
    import torch
    from mmengine.config import Config
    from mmengine.runner import Runner

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    found = {}
    for path in paths:
        name = Path(path).stem
        cfg = shrink(Config.fromfile(path), f"{folder}/rank{rank}", ["ddp_narrow_vgg"])
        cfg.merge_from_dict(
            dict(
                work_dir=f"{folder}/run_{name}",
                experiment_name=name,
                launcher="pytorch",
                env_cfg=dict(dist_cfg=dict(backend="gloo"), mp_cfg=dict(mp_start_method="fork")),
                model_wrapper_cfg=dict(
                    type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False
                ),
            )
        )
        if name in RESUMED:
            cfg.default_hooks.checkpoint = dict(
                type="AtomicCheckpointHook", by_epoch=False, interval=1, max_keep_ckpts=-1
            )
        runner = Runner.from_cfg(cfg)
        model = runner.model
        assert not model.find_unused_parameters, name
        before = {k: v.detach().clone() for k, v in model.module.named_parameters()}
        recorder = seg_toy.Recorder()
        if hasattr(runner, "optim_wrapper") and "PolicyGradientLoop" not in str(cfg.train_cfg):
            runner.register_hook(recorder)
        runner.train()
        after = dict(model.module.named_parameters())
        if name in RESUMED:
            saved = f"{cfg.work_dir}/iter_1.pth"
            again = dict(load_from=saved, resume=True, work_dir=f"{cfg.work_dir}_rest")
            cfg.merge_from_dict(dict(again, experiment_name=f"{name}_rest"))
            rest = Runner.from_cfg(cfg)
            rest.train()
            state = rest.model.module.state_dict()
            assert all(torch.equal(v, state[k]) for k, v in model.module.state_dict().items()), name
        found[name] = dict(
            weights=float(sum(p.detach().double().abs().sum() for p in after.values())),
            moved=sum(not torch.equal(before[k], p) for k, p in after.items()),
            iters=runner.iter,
            log=recorder.log,
        )
    torch.save(found, f"{folder}/rank{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def shrink(cfg, folder, imports=()):
    """Make a config small; changes and returns it. Its processes import ``imports``, too."""
    Path(folder).mkdir(exist_ok=True)
    for key in ("val_dataloader", "val_cfg", "val_evaluator", "test_dataloader", "test_cfg",
                "test_evaluator", "tta_model", "tta_pipeline", "auto_scale_lr"):  # fmt: skip
        cfg.pop(key, None)
    cfg.load_from, cfg.resume = None, False
    cfg.custom_imports = dict(imports=["mmasg", "ddp_parts", *imports], allow_failed_imports=False)
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.pop("visualization", None)
    cfg.visualizer = dict(type="Visualizer", vis_backends=None)
    if cfg.train_cfg.get("type") == "PolicyGradientLoop":
        from mmengine.config import Config

        cfg.train_cfg.max_iters = 2
        cfg.train_cfg.rollout_length = 1
        environments = cfg.train_cfg.environments
        for environment in environments if isinstance(environments, list) else [environments]:
            inner = Config.fromfile(environment["config"])
            inner.merge_from_dict(environment.pop("overrides", None) or {})
            environment.update(
                config=shrink(inner, folder, imports).to_dict(), window=1, episode_iters=4
            )
        return cfg
    cfg.param_scheduler = []
    if "max_epochs" in cfg.train_cfg:
        cfg.train_cfg.max_epochs = 1
    else:
        cfg.train_cfg.max_iters = 2
    for key in ("val_interval", "val_begin"):
        cfg.train_cfg.pop(key, None)
    shrink_model(cfg.model, folder)
    shrink_data(cfg)
    for hook in cfg.custom_hooks:
        if hook["type"] == "LayerLRPolicyHook":
            hook["window"] = 1
        if "target" in hook:
            hook["target"] = dict(batch_size=2, dataset=toy_data(cfg))
        if hook["type"] == "InstanceWhiteningHook":
            hook.update(start=0, gather=1)
        if hook["type"] == "EMAHook":
            hook["begin_iter"] = 1
    return cfg


def shrink_model(model, folder):
    backbone = model.backbone
    kind = backbone.type.removeprefix("mmseg.")
    head = model.get("decode_head", model.get("head"))
    if kind in ("ResNet", "ResNetV1c", "IBNResNet"):
        backbone.update(base_channels=64 // NARROW, stem_channels=64 // NARROW)
        head.in_channels //= NARROW
        if "c1_in_channels" in head:
            head.c1_in_channels //= NARROW
    elif kind == "MixVisionTransformer":  # all of them as B0
        backbone.update(embed_dims=32, num_layers=[2, 2, 2, 2])
        head.in_channels = [32, 64, 160, 256]
    elif kind == "VGG16":
        head.update(in_channels=(3, *(c // NARROW for c in (256, 512, 512))), channels=16)
        head.init_cfg = None
    elif kind == "FoundationViT":
        backbone.update(img_size=56, embed_dims=32, num_heads=2, mlp_ratio=2)
        head.in_channels = [32] * 4
    if "type" in backbone.init_cfg and not backbone.init_cfg.checkpoint.startswith("pip://"):
        backbone.init_cfg.checkpoint = imagenet_file(backbone, folder)
    preprocessor = model.data_preprocessor
    if "size" in preprocessor:
        preprocessor.size = (64, 64)


def imagenet_file(backbone, folder):
    import torch
    from seg_toy import linear_state, random_state

    path = Path(folder) / f"{backbone.type.removeprefix('mmseg.')}_{backbone.get('depth', '')}.pth"
    if not path.exists():
        state = random_state(backbone.to_dict())
        if backbone.type == "VGG16":
            width = 512 // NARROW
            for name, shape in (("fc6", (8, width * 49)), ("fc7", (8, 8)), ("fc8", (11, 8))):
                state[f"{name}.weight"] = 0.1 * torch.randn(shape)
                state[f"{name}.bias"] = torch.zeros(shape[0])
        elif backbone.type != "FoundationViT":
            width = 512 * 4 // NARROW if "depth" in backbone else 256
            state.update(linear_state(width, "fc"))
        torch.save(state, path)
    return str(path)


def toy_data(cfg):
    classes = cfg.model.get("head", cfg.model.get("decode_head")).num_classes
    return dict(type="NoiseDataset", length=8, classes=classes, labels="head" in cfg.model)


def shrink_data(cfg):
    loader = cfg.train_dataloader
    toy = toy_data(cfg)
    loader.update(batch_size=2, num_workers=0, persistent_workers=False, drop_last=False)
    if "dataset" in loader.dataset:
        loader.dataset.dataset = toy
    else:
        loader.dataset = toy


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    os.environ.update(RANK=sys.argv[1], LOCAL_RANK=sys.argv[1], WORLD_SIZE="2")
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
