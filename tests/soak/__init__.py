"""Mixed operations for a long time, with everything going wrong that can: `make soak`."""
