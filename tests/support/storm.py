"""A program that forks faster than anybody looks."""

SLOTS = 40
STORM = """\
import fcntl, os, random, signal, sys, time

on, until, mine, old = sys.argv[1], time.monotonic() + 300, None, 0.0
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
while time.monotonic() < until and os.path.exists(on):
    time.sleep(0.004)
    if mine is not None and time.monotonic() > old:
        if os.fork():
            os._exit(0)
        random.seed()
        old = time.monotonic() + random.uniform(0.01, 0.03)
    slot = os.open(f"{on}.{random.randrange(40)}", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(slot)
        continue
    if not os.fork():
        if mine is not None:
            os.close(mine)
        mine = os.dup(slot)
        random.seed()
        old = time.monotonic() + random.uniform(0.01, 0.03)
    os.close(slot)
"""
"""Everyone forks until all ``SLOTS`` are taken, and soon gives his own to a child: none lives long.

It is over when its file is gone, and after five minutes.
"""
