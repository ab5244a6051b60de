"""`make bench`: what rdtd costs, as ratios to what the bus and the kernel's files cost by themselves."""
