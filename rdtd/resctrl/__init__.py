"""resctrl: text to values and back, the lock, and the one place that touches the mount."""
