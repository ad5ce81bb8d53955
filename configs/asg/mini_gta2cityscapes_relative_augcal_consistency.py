# The miniature pair with relative steps, AugCal and ImageNet consistency.
_base_ = "./mini_gta2cityscapes_relative_augcal.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
