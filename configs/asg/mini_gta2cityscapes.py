# The miniature pair, the whole method: ImageNet consistency, and rates set by the policy that was
# trained on the pair's source.
_base_ = "./mini_gta2cityscapes_consistency.py"
# The policy takes the place of the hand-set rates: no lr_mult here.
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=30, power=0.9, offset=1)]
# The paper's rule, in which windows double: decisions after 10, 20, 40, 80 and 160 iterations.
window = dict(min_iters=10)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy="mini", window=window),
]
