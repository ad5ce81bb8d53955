# VisDA-17 with ImageNet consistency (ASG's proxy guidance, weight 0.1) and hand-set rates.
_base_ = "./visda_baseline.py"
custom_hooks = [dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all")]
