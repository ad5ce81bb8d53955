# A control of the policy on the miniature pair: mode='fixed' in place of a policy.
_base_ = "./mini_gta2cityscapes.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy=None, window={{_base_.window}}, mode="fixed"),
]
