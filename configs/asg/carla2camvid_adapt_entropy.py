# CARLA -> CamVid, a start goes on with entropy minimisation on the target.
_base_ = "./carla2camvid_adapt_teacher.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="TargetEntropyHook", target={{_base_.target}}, loss_weight=0.001),
]
