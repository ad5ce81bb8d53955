# Who sets the rates: a die. Relative steps times multipliers drawn after 10, 20, 40, ... steps.
_base_ = "./mini_gta2cityscapes_rates_relative.py"
custom_hooks = [
    *_base_.custom_hooks,
    dict(type="LayerLRPolicyHook", policy=None, window=dict(min_iters=10), mode="random"),
]
