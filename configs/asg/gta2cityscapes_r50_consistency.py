# The same with ImageNet consistency; weight and cap as in gta2cityscapes_r50.py.
_base_ = "./gta2cityscapes_r50_baseline.py"
custom_hooks = [
    dict(type="ImageNetConsistencyHook", loss_weight=75.0, max_weighted_loss=9.0, eval_mode="all")
]
