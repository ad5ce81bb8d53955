# The miniature of VisDA-17 with relative steps: every group's step is a fixed fraction of its
# weights, so the base rate cancels. With ImageNet consistency.
_base_ = "./mini_visda_baseline.py"
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
