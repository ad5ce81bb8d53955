# The miniature pair with relative steps, instance selective whitening (RobustNet) and the KL.
_base_ = "./mini_gta2cityscapes_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="InstanceWhiteningHook", stages=["stem:output", 0, 1], start=20, gather=10),
    dict(type="RelativeStepHook"),
]
