# The miniature pair, a start goes on with entropy minimisation on the target.
_base_ = "./mini_gta2cityscapes_adapt_teacher.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="TargetEntropyHook", target={{_base_.target}}, loss_weight=0.001),
]
