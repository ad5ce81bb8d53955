# The miniature pair with relative steps and the weights averaged over the second half of the
# training (in the manner of SWAD).
_base_ = "./mini_gta2cityscapes_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="EMAHook", ema_type="StochasticWeightAverage", begin_iter=120),
]
