# CARLA -> CamVid, a start goes on by CRST with label regularisation (LRENT): soft labels.
_base_ = "./carla2camvid_adapt_cbst.py"
self_training = dict(regularizer="lrent")
