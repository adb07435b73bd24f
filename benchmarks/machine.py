"""What a benchmark ran on, as it is written beside its figures."""

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version

import torch

from optical.machine import processor


def measured_on(*packages: str) -> dict[str, object]:
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_average_at_end": os.getloadavg()[0],
        "versions": {"python": platform.python_version()} | {each: version(each) for each in packages},
    }
