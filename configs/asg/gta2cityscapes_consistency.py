# GTA5 -> Cityscapes, FCN8s on VGG-16, with ImageNet consistency (w = 75) and hand-set rates.
_base_ = "./gta2cityscapes_baseline.py"
custom_hooks = [dict(type="ImageNetConsistencyHook", loss_weight=75.0, eval_mode="all")]
