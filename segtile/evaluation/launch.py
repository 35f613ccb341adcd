"""Runs one command and says what it took. A script of the standard library alone, started by `systems`.

    python -I -S launch.py REPLY COMMAND...

It stands between the run and the command for two reasons: the system counts a process's peak memory from that of the
process it was started by, which is small here, and when the run is killed, this script's stdin ends and it ends the
command with everything the command started.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def _end_with_parent(process: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock a thread may not hold when the interpreter ends
        pass
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _main() -> int:
    reply, command = sys.argv[1], sys.argv[2:]
    began = time.perf_counter()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=os.name == "posix")
    except OSError as e:
        sys.stderr.write(f"{command[0]} does not start: {e.strerror}\n")
        return 127
    threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
    peak = None
    if os.name == "posix":
        _, status, usage = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    else:
        code = process.wait()
    with open(reply, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs more than the rest of this script
        json.dump({"code": code, "seconds": time.perf_counter() - began, "peak_rss_mb": peak}, file)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
