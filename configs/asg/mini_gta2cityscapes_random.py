# A control of the policy on the miniature pair: mode='random' in place of what was learned.
_base_ = "./mini_gta2cityscapes.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy="mini", window=10, mode="random"),
]
