# Who sets the rates: relative steps, each a fixed fraction of its group's weights.
_base_ = "./mini_gta2cityscapes_relative_consistency.py"
