# The miniature of VisDA-17 with ImageNet consistency and layer-wise rates set by a policy.
_base_ = "./mini_visda_baseline.py"
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, preset="efficientnet_lite0"))
# The paper's rule, in which windows double within the first epoch.
window = dict(min_iters=6)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy="mini", window=window),
]
