# Who sets the rates: D-Adaptation (Defazio and Mishchenko 2023) estimates one for all groups, times
# the schedule. Needs: pip install mmasg[rates]
_base_ = "./mini_gta2cityscapes_rates_equal.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="DAdaptationSGD", lr=1.0, momentum=0.9, weight_decay=5e-4)
)
