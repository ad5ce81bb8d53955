# As without _adamw, with AdamW in place of SGD.
_base_ = "./mini_gta2cityscapes_rates_dadaptation.py"
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True, type="DAdaptationAdam", lr=1.0, weight_decay=0.01, weight_decouple=True
    )
)
