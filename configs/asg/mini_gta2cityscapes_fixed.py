# A control of the policy on the miniature pair: mode='fixed' in place of a policy.
_base_ = "./mini_gta2cityscapes.py"
# The paper's rule, in which windows double: decisions after 10, 20, 40, 80 and 160 iterations.
window = dict(min_iters=10, growth=20, iters_per_epoch={{_base_.max_iters}})
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy=None, window=window, mode="fixed"),
]
