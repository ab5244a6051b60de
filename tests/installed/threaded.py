"""A service with four threads, which tells systemd when they run."""

import threading

from systemd.daemon import notify

for _ in range(3):
    threading.Thread(target=threading.Event().wait).start()
notify("READY=1")
