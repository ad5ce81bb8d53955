import pytest
from seg_toy import resnet18, segmentor, toy_config

from mmasg.guard import run_check
from mmasg.guard.run_check import check_run


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setattr(run_check, "is_cuda_available", lambda: False)


def config(folder, **extra):
    model = segmentor(resnet18(norm_cfg=dict(type="SyncBN")))
    return toy_config(folder, model, **extra)


def test_sync_batch_norm_of_one_process_is_batch_norm(tmp_path, cpu):
    check_run(config(tmp_path))
    message = r"norm_cfg\.type: got 'SyncBN'; allowed: 'BN' for several processes on CPUs"
    with pytest.raises(ValueError, match=message):
        check_run(config(tmp_path, launcher="pytorch"))


def test_mixed_precision_needs_a_gpu(tmp_path, cpu):
    wrapper = dict(type="AmpOptimWrapper", optimizer=dict(type="SGD", lr=0.1))
    with pytest.raises(ValueError, match=r"optim_wrapper\.type: got 'AmpOptimWrapper'; .*--amp"):
        check_run(config(tmp_path, optim_wrapper=wrapper))


def test_rebuilding_needs_a_resume(tmp_path):
    with pytest.raises(ValueError, match=r"rebuild_schedule: got True; allowed: with resume=True"):
        check_run(config(tmp_path, rebuild_schedule=True))
    check_run(config(tmp_path, rebuild_schedule=True, resume=True))
