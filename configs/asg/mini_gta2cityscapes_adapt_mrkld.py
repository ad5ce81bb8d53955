# The miniature pair, a start goes on by CRST with model regularisation (MRKLD).
_base_ = "./mini_gta2cityscapes_adapt_cbst.py"
self_training = dict(regularizer="mrkld")
