"""Programs that are killed while they write decisions lose none that they said was kept."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from dashboard.library.userdata import UserData

N_KILLS = 100

PROGRAM = """
import json, os, random, signal, sys
from pathlib import Path
from dashboard.library.userdata import UserData
from dashboard.model.curation import Decision

folder, n_kills = Path(sys.argv[1]), int(sys.argv[2])
UserData.in_folder(folder).recent("Ada")
chance, said = random.Random(0), []
for n in range(n_kills):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        user_data = UserData.in_folder(folder)
        for k in range(1000):
            units = [f"{n}-{k}-{i}" for i in range(2)]
            user_data.decisions.add([Decision("Ada", "S/1/001/probe00", "label", "good", unit) for unit in units])
            os.write(write, f"{n}-{k}\\n".encode())
    os.close(write)
    heard = b""
    for _ in range(chance.randrange(3)):  # between any two of its steps
        heard += os.read(read, 64)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 4096):
        heard += more
    os.close(read)
    said += heard.decode().split()
json.dump(said, sys.stdout)
"""


def test_nothing_that_was_kept_is_lost_in_a_hundred_kills(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(N_KILLS)], capture_output=True, text=True, check=True
    )
    said = json.loads(ran.stdout)
    found = {one.unit for one in UserData.in_folder(tmp_path).decisions.read()}
    assert said
    assert {f"{step}-{i}" for step in said for i in range(2)} <= found
    steps = {unit.rpartition("-")[0] for unit in found}
    assert found == {f"{step}-{i}" for step in steps for i in range(2)}  # a step is whole, or not there
    with closing(sqlite3.connect(tmp_path / "kept.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
