# GTA5 -> Cityscapes, DeepLabV3+ on ResNet-101, cross-entropy alone, hand-set rates.
_base_ = [
    "../_base_/models/deeplabv3plus_r101.py",
    "../_base_/datasets/gta2cityscapes.py",
    "../_base_/schedules/gta5_100k.py",
    "../_base_/default_runtime.py",
]
optim_wrapper = dict(paramwise_cfg=dict(preset="resnet", lr_mult=0.1))
custom_hooks = [dict(type="EvalModeHook", mode="all")]
