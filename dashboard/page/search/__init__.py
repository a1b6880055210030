"""Finding insertions, and judging them one by one."""
