# A control of the policy on the miniature of VisDA-17: mode='random' in place of a policy.
_base_ = "./mini_visda.py"
# The paper's rule, in which windows double within the first epoch.
window = dict(min_iters=6, growth=20)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(
        type="LayerLRPolicyHook", policy=None, window=window, last_layer="head.fc.2", mode="random"
    ),
]
