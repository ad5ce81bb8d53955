# A control of the policy on the miniature of VisDA-17: mode='fixed' in place of a policy.
_base_ = "./mini_visda.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(
        type="LayerLRPolicyHook",
        policy=None,
        window={{_base_.window}},
        mode="fixed",
    ),
]
