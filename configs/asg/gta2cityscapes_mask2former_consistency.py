# The same with ImageNet consistency; clipping by a norm of 0.01 leaves the weight's scale open.
_base_ = "./gta2cityscapes_mask2former_baseline.py"
custom_hooks = [dict(type="ImageNetConsistencyHook", loss_weight=1.0)]
