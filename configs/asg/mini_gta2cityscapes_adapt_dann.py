# The miniature pair, a start goes on with adversarial features (DANN).
_base_ = "./mini_gta2cityscapes_adapt_teacher.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="DomainAdversarialHook", target={{_base_.target}}, feature=3),
]
