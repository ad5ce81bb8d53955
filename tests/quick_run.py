"""Runs of a comparison whose commands take no time."""

import json

from mmasg.benchmark.arms import Arm
from mmasg.benchmark.runs import Run

CONFIG = """
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20)
test_dataloader = source_dataloader = dict(dataset=dict(type='SegToyDataset'))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=8))
lr = 0.1
"""
#: Writes what a training of 20 iterations writes; arguments: folder, interval.
TRAIN = """
import pathlib, sys
folder, interval = pathlib.Path(sys.argv[1]), int(sys.argv[2])
print('Iter(train) [10/20] loss: 1')
for at in [*range(interval, 20, interval), 20]:
    (folder / f'iter_{at}.pth').write_text('weights')
(folder / 'last_checkpoint').write_text(str(folder / 'iter_20.pth'))
"""
#: Writes metrics; arguments: file, and its content.
TEST = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
FAIL = "print('cannot go on'); raise SystemExit(3)"


def write_config(folder, name="arm.py", text=CONFIG):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)


class QuickRun(Run):
    """A run whose training and tests are a line of Python each.

    Its target's mIoU is ``scores[name] + seed`` and one less on the source; ``scores`` of None
    fails.
    """

    scores = {}

    def train_command(self):
        if self.scores.get(self.arm.name, 0) is None:
            return ["-c", FAIL]
        intervals = [o for o in self._checkpoint_options if ".interval=" in o] or ["=8"]
        return ["-c", TRAIN, str(self.folder), intervals[0].split("=")[-1]]

    def test_command(self, checkpoint, loader, file, keep):
        assert checkpoint.is_file()
        score = self.scores.get(self.arm.name, 30.0) + self.seed - (loader != "test_dataloader")
        score -= 0 if checkpoint.name == "iter_20.pth" else 5
        metrics = {"mIoU": score, "mAcc": 2 * score, "IoU/road": score, "IoU/sky": score}
        return ["-c", TEST, str(file), json.dumps(metrics)]


TESTS = {"target": "test_dataloader", "source": "source_dataloader"}


def quick_run(folder, name="x", seed=0, text=CONFIG, tests=TESTS, **options):
    config = write_config(folder, f"{name}.py", text)
    return QuickRun(Arm(name, config, name.title()), seed, folder / "out", tests, **options)
