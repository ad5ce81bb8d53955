# GTA5 -> Cityscapes, Mask2Former on ResNet-50 with its own losses, optimizer and rates. Needs
# mmdetection and mmcv's compiled operations.
_base_ = [
    "../_base_/models/mask2former_r50.py",
    "../_base_/datasets/gta2cityscapes.py",
    "../_base_/schedules/gta5_100k.py",
    "../_base_/default_runtime.py",
]
custom_imports = dict(imports=["mmasg", "mmdet.models"], allow_failed_imports=False)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=0.01, norm_type=2),
    paramwise_cfg=dict(
        preset="resnet",
        lr_mult=0.1,
        norm_decay_mult=0.0,
        custom_keys=dict(
            query_embed=dict(decay_mult=0.0),
            query_feat=dict(decay_mult=0.0),
            level_embed=dict(decay_mult=0.0),
        ),
    ),
)
custom_hooks = [dict(type="EvalModeHook")]
