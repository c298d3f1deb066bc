"""What holds for all tests."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun in the background by a script
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started here can be ended
