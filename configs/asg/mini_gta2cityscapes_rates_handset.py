# Who sets the rates: a hand, by the paper's rule. Every group but the last at 0.1 x the base rate.
_base_ = "./mini_gta2cityscapes_consistency.py"
