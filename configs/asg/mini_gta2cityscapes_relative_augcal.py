# The miniature pair with relative steps and AugCal: PASTA, and confidence pulled to accuracy (DCA).
_base_ = "./mini_gta2cityscapes_relative_pasta.py"
cross_entropy = dict(type="CrossEntropyLoss", loss_weight=1.0, avg_non_ignore=True)
losses = [cross_entropy, dict(type="DCALoss", loss_weight=1.0)]
model = dict(decode_head=dict(loss_decode=losses))
# Reported beside the IoU: the expected calibration error.
test_evaluator = [{{_base_.test_evaluator}}, dict(type="CalibrationErrorMetric")]
