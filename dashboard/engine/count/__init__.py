"""Counting kernels, and what they are asked for."""
