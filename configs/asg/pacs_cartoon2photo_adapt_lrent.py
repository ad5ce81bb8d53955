# PACS, cartoons -> photographs, a start goes on by CRST with soft labels (LRENT).
_base_ = "./pacs_cartoon2photo_adapt_cbst.py"
self_training = dict(regularizer="lrent")
