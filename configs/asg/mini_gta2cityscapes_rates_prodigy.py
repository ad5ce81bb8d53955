# Who sets the rates: Prodigy (Mishchenko and Defazio 2024) estimates one for all groups, times the
# schedule, whose warm-up its safeguard is for. Needs: pip install mmasg[rates]
_base_ = "./mini_gta2cityscapes_rates_equal.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="Prodigy", lr=1.0, weight_decay=0.01, safeguard_warmup=True)
)
