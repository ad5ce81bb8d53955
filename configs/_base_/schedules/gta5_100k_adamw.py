# SegFormer's own optimizer, with the length and schedule of the paper's runs.
_base_ = "./gta5_100k.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=6e-4, betas=(0.9, 0.999), weight_decay=0.01)
)
