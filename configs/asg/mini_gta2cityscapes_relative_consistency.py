# The miniature pair with relative steps: every group's step is a fixed fraction of its weights, so
# the base rate cancels. With ImageNet consistency.
_base_ = "./mini_gta2cityscapes_baseline.py"
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
