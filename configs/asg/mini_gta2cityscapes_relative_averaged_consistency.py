# The miniature pair with relative steps and the weights averaged over the second half of the
# training (in the manner of SWAD); with ImageNet consistency.
_base_ = "./mini_gta2cityscapes_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="EMAHook", ema_type="StochasticWeightAverage", begin_iter=120),
]
