# Who sets the rates: a hand; an average of iterates (Defazio et al. 2024) takes the place of the
# schedule. Needs: pip install mmasg[rates]
_base_ = "./mini_gta2cityscapes_rates_handset.py"
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type="ScheduleFreeSGD",
        lr=0.5,
        momentum=0.9,
        weight_decay=5e-4,
        warmup_steps=30,
    )
)
param_scheduler = []
custom_hooks = [*_base_.custom_hooks, dict(type="ScheduleFreeHook")]
