# The miniature of VisDA-17 with relative steps: every group's step is a fixed fraction of its
# weights, so the base rate cancels. Without ImageNet consistency.
_base_ = "./mini_visda_baseline.py"
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
]
