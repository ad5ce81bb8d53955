# The miniature pair, a start goes on by CRST with label regularisation (LRENT): soft labels.
_base_ = "./mini_gta2cityscapes_adapt_cbst.py"
self_training = dict(regularizer="lrent")
