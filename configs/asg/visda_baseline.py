# VisDA-17 without ImageNet consistency: hand-set rates (backbone at 0.1 x the base rate) and eval
# mode as in the method, cross-entropy alone.
_base_ = [
    "../_base_/models/classifier_resnet101.py",
    "../_base_/datasets/visda.py",
    "../_base_/schedules/visda_30e.py",
    "../_base_/classification_runtime.py",
]
optim_wrapper = dict(paramwise_cfg=dict(preset="resnet", lr_mult=0.1))
custom_hooks = [dict(type="EvalModeHook", mode="all")]
