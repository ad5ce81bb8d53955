# GTA5 -> Cityscapes, DeepLabV3+ on ResNet-101, the whole method; see the ResNet-50 config.
_base_ = "./gta2cityscapes_r101_consistency.py"
# The policy takes the place of the hand-set rates: no lr_mult here.
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=100, power=0.9, offset=1)]
custom_hooks = [
    *_base_.custom_hooks,
    dict(type="LayerLRPolicyHook", policy="mini", window="gta5"),
]
