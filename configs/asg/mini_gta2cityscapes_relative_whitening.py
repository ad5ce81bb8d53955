# The miniature pair with relative steps and instance selective whitening (RobustNet).
_base_ = "./mini_gta2cityscapes_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="InstanceWhiteningHook", stages=["stem:output", 0, 1], start=20, gather=10),
    dict(type="RelativeStepHook"),
]
