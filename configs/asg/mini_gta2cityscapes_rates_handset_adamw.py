# As without _adamw, with AdamW in place of SGD.
_base_ = "./mini_gta2cityscapes_rates_handset.py"
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=0.01))
