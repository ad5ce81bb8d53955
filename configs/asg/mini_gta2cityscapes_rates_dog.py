# Who sets the rates: layer-wise DoG (Ivgi, Hinder, Carmon 2023), tensor by tensor from the distance
# gone and the gradients seen; without a schedule, and with the polynomial average of the iterates
# that it is meant to be used with. Needs: pip install mmasg[rates]
_base_ = "./mini_gta2cityscapes_rates_equal.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="LayerwiseDoG", lr=1.0, reps_rel=1e-4, weight_decay=5e-4)
)
param_scheduler = []
custom_hooks = [
    *_base_.custom_hooks,
    # The average's share of the newest weights is gamma / (gamma + t); momentum bounds it below.
    dict(type="EMAHook", ema_type="MomentumAnnealingEMA", gamma=8, momentum=1e-9),
]
