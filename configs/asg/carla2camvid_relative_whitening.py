# CARLA -> CamVid with relative steps and instance selective whitening (RobustNet).
_base_ = "./carla2camvid_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="InstanceWhiteningHook", stages=["stem:output", 0, 1], start=100, gather=50),
    dict(type="RelativeStepHook"),
]
