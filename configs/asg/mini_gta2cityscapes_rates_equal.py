# Who sets the rates: nobody. Every group at the base rate.
_base_ = "./mini_gta2cityscapes_rates_handset.py"
optim_wrapper = dict(paramwise_cfg=dict(lr_mult=1.0))
