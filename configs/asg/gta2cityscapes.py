# GTA5 -> Cityscapes, FCN8s on VGG-16: the whole method. ImageNet consistency (w = 75, capped at 9
# as in the paper's runs with a policy) and layer-wise rates set by a policy. The policy is ours,
# trained on the miniature pair: the paper's is loaded by policy='FILE.pth' after conversion with
# tools/model_converters/asg_checkpoint.py.
_base_ = "./gta2cityscapes_consistency.py"
# The policy takes the place of the hand-set rates: no lr_mult here.
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
# With the policy the reference evaluates the schedule one step later.
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=100, power=0.9, offset=1)]
custom_hooks = [
    dict(type="ImageNetConsistencyHook", loss_weight=75.0, max_weighted_loss=9.0, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy="mini", window="gta5"),
]
