# Who sets the rates: LARS (You, Gitman, Ginsburg 2017), tensor by tensor from the norms of weights
# and gradients; biases and scales move at the base rate. Needs: pip install mmasg[rates]
_base_ = "./mini_gta2cityscapes_rates_handset.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="LARS", lr=0.2, momentum=0.9, weight_decay=5e-4)
)
