import os
from collections import Counter

import pytest

from mmasg.doctor import survey
from mmasg.doctor.survey import Verdict, as_table, shipped_configs

#: One config of every kind of answer, below MMSegmentation's folder.
SAMPLE = {
    "fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py": survey.AS_IT_IS,
    "stdc/stdc1_in1k-pre_4xb12-80k_cityscapes-512x1024.py": survey.AS_IT_IS,
    "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py": survey.NO_CLASSIFIER,
    "hrnet/fcn_hr18_4xb2-40k_cityscapes-512x1024.py": survey.NO_KNOWN_END,
    "unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py": survey.RANDOM_START,
    "bisenetv1/bisenetv1_r18-d32-in1k-pre_4xb4-160k_cityscapes-1024x1024.py": survey.ANOTHER_FILE,
    "icnet/icnet_r18-d8-in1k-pre_4xb2-80k_cityscapes-832x832.py": survey.NOT_CALLED,
    "san/san-vit-b16_coco-stuff164k-640x640.py": survey.NO_BACKBONE,
}


def chosen():
    found = {"/".join(p.parts[-2:]): p for p in shipped_configs()}
    return [found[name] for name in SAMPLE]


def test_one_of_every_kind():
    verdicts = survey.survey(chosen())
    assert {v.config: v.verdict for v in verdicts} == SAMPLE
    assert [v.config for v in verdicts if v.deletes] == [
        "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
        "san/san-vit-b16_coco-stuff164k-640x640.py",
    ]


def test_a_config_that_cannot_be_read_is_a_verdict(tmp_path):
    (tmp_path / "broken.py").write_text("model = dict(\n")
    (tmp_path / "no_such.py").write_text("model = dict(backbone=dict(type='NoSuchNet'))\n")
    broken, unknown = survey.survey([tmp_path / "broken.py", tmp_path / "no_such.py"])
    assert broken.verdict == unknown.verdict == survey.NOT_HERE
    assert "NoSuchNet" in unknown.reason and "Error" in broken.reason


def test_table():
    table = as_table(
        [Verdict("a", survey.AS_IT_IS, "ResNet"), Verdict("b", survey.AS_IT_IS, "VGG16", True)]
        + [Verdict("c", survey.RANDOM_START, "UNet")]
    )
    assert table.splitlines()[:5] == [
        "3 configs",
        "    2  takes the hook as it is",
        "       ResNet 1, VGG16 1",
        "    1  starts from random weights: name an ImageNet file",
        "       UNet 1",
    ]
    assert "1 of them set rates of single layers" in table


@pytest.mark.slow
@pytest.mark.skipif("MMASG_SWEEP" not in os.environ, reason="a minute: MMASG_SWEEP=1 runs it")
def test_every_config_that_mmsegmentation_ships_has_a_verdict():
    verdicts = survey.survey(shipped_configs())
    assert len(verdicts) > 600
    counts = Counter(v.verdict for v in verdicts)
    assert counts[survey.AS_IT_IS] > 0.6 * len(verdicts), as_table(verdicts)
    strange = {v.reason for v in verdicts if v.verdict == survey.NOT_HERE}
    # VPD asks for packages of its own.
    assert all("is not installed" in reason or "VPD" in reason for reason in strange), strange
