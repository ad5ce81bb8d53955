# The miniature pair with relative steps, photometric augmentation and ImageNet consistency.
_base_ = "./mini_gta2cityscapes_relative_photometric.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
