"""A training of two tasks on a SLURM of one node, requeued once: ``make long``.

It needs Debian's slurmctld, slurmd, slurm-client and munge, and the rights of root.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import xai4land

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
MISSING = [
    name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None
]
pytestmark = [
    pytest.mark.skipif("XAI4LAND_LONG" not in os.environ, reason="for make long"),
    pytest.mark.skipif(bool(MISSING), reason=f"there is no {', '.join(MISSING)}"),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="SLURM needs root"),
]
CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=compute Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
RUN = """
states = "states.nc"
truth = "truth.nc"
out = "{out}.safetensors"
window = 32
epochs = 8
steps = 12
batch_size = 2
precision = "float32"
log = "{out}.csv"
[parameters]
widths = [8, 16]
"""


@pytest.fixture
def slurm(monkeypatch):
    """Start a SLURM, and end it."""
    folder = Path("/tmp") / f"xai4land-slurm-{os.getpid()}"
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    ports = [
        held.getsockname()[1] for held in [socket.create_server(("127.0.0.1", 0)) for _ in "12"]
    ]
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, folder=folder, ports=ports))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    monkeypatch.setenv("SLURM_CONF", str(conf))
    monkeypatch.setenv("PATH", path)
    munge = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key"]
    munge += [f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"]
    munge += [f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"]
    started = []
    try:
        for call in (munge, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            log = (folder / f"{call[0]}.txt").open("w")
            started.append(subprocess.Popen(call, stdout=log, stderr=log))
            time.sleep(2)
        yield
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def call(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def wait_for(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.5)


def test_a_requeued_training_ends_with_the_same_weights(slurm, tmp_path, monkeypatch):
    """The script is that of the page, without its time limit."""
    monkeypatch.chdir(tmp_path)
    planet = xai4land.sample("land", years=[2000])
    planet[["land_cover"]].to_netcdf("truth.nc")
    planet.drop_dims(["lat_fine", "lon_fine"]).to_netcdf("states.nc")
    page = Path(__file__).parents[2].joinpath("docs", "deployment.md").read_text()
    script = next(b for b in re.findall(r"```bash\n(.*?)```", page, re.S) if "WORLD_SIZE" in b)
    Path("fit.sh").write_text(script.replace("--time=24:00:00", ""))
    Path("run.toml").write_text(RUN.format(out="requeued"))
    job = call("sbatch", "--parsable", "fit.sh").strip()
    wait_for(Path("requeued.csv").exists, 120)
    call("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: "Restarts=1" in call("scontrol", "show", "job", job), 60)
    wait_for(lambda: "JobState=COMPLETED" in call("scontrol", "show", "job", job), 400)
    Path("run.toml").write_text(RUN.format(out="whole"))
    start = ["torchrun", "--nproc-per-node=2", "--master-addr=127.0.0.1", "-m", "xai4land"]
    call(*start, "fit", "--settings", "run.toml", "--quiet")
    whole, requeued = (load_file(f"{name}.safetensors") for name in ("whole", "requeued"))
    assert all(torch.equal(value, requeued[name]) for name, value in whole.items())
