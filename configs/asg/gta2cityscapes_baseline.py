# GTA5 -> Cityscapes, FCN8s on VGG-16, cross-entropy alone: the paper's baseline.
# Rates by hand: every group but the scoring layers at 0.1 x 1e-3.
_base_ = [
    "../_base_/models/fcn8s_vgg16.py",
    "../_base_/datasets/gta2cityscapes.py",
    "../_base_/schedules/gta5_100k.py",
    "../_base_/default_runtime.py",
]
optim_wrapper = dict(paramwise_cfg=dict(preset="vgg16_fcn8s", lr_mult=0.1))
custom_hooks = [dict(type="EvalModeHook", mode="all")]
