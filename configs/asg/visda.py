# ASG on VisDA-17, ResNet-101: ImageNet consistency and layer-wise rates set by a policy, which
# multiplies the base rate of every group; no warm-up, no decay.
_base_ = "./visda_baseline.py"
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True, preset="resnet"))
param_scheduler = None
custom_hooks = [
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="LayerLRPolicyHook", policy="mini", window="visda"),
]
