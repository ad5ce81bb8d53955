# CARLA -> CamVid, a start goes on by CRST with model regularisation (MRKLD).
_base_ = "./carla2camvid_adapt_cbst.py"
self_training = dict(regularizer="mrkld")
