from mmasg.benchmark.train_log import Progress, read_progress, tail

ITERATIONS = (
    "11/25 12:58:31 - mmengine - INFO - Iter(train) [ 20/240]  base_lr: 1.2e-02 eta: 0:39\n"
)
EPOCHS = "2026/11/25 12:58:31 - mmengine - INFO - Epoch(train)  [2][30/38]  lr: 1.2e-02\n"


def test_iterations_and_epochs(tmp_path):
    log = tmp_path / "train.log"
    assert read_progress(log) == Progress(1, 0, 0)
    log.write_text(ITERATIONS.replace("20/", "10/") + ITERATIONS + "Saving checkpoint\n")
    assert read_progress(log) == Progress(1, 20, 240)
    log.write_text(EPOCHS)
    assert read_progress(log) == Progress(2, 30, 38)


def test_the_tail_of_a_long_log(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(ITERATIONS + "x" * 30_000)
    assert tail(log) == "x" * 20_000
    assert read_progress(log) == Progress()
