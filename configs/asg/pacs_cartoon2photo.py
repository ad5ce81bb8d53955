# PACS, cartoons -> photographs, the whole method: ImageNet consistency, and rates set by the policy
# that was trained on the miniature pair.
_base_ = "./pacs_cartoon2photo_consistency.py"
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, preset="efficientnet_lite0"))
# The paper's rule, in which windows double within the first epoch.
window = dict(min_iters=6, growth=20)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy="mini", window=window, last_layer="head.fc.2"),
]
