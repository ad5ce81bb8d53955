"""One rank of a training on several processes: ``ddp_script.py RANK WORLD_SIZE FOLDER``."""

import json
import os
import sys


def main(rank, world_size, folder):
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(config.pop("port")), OMP_NUM_THREADS="1",
    )  # fmt: skip
    import torch
    from seg_toy import train

    torch.set_num_threads(1)
    # mmengine's own way asks for a CUDA device, whatever the backend.
    torch.distributed.init_process_group("gloo")
    at = config.pop("at")
    runner, seen = train(config, at=at)
    torch.save(
        dict(log=seen.log, gradients=seen.gradients, state=seen.state, wrapper=type(
            runner.model).__name__),
        f"{folder}/rank{rank}.pt",
    )  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
