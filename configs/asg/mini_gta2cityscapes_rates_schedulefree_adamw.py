# As without _adamw, with AdamW in place of SGD.
_base_ = "./mini_gta2cityscapes_rates_schedulefree.py"
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type="ScheduleFreeAdamW",
        lr=2.5e-3,
        weight_decay=0.01,
        warmup_steps=30,
    )
)
