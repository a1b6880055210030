"""A replay of a recorded Alyx server and its data server, with faults that a test switches on."""
