# CARLA -> CamVid, a start goes on with adversarial features (DANN).
_base_ = "./carla2camvid_adapt_teacher.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="DomainAdversarialHook", target={{_base_.target}}, feature=3),
]
