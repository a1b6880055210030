"""Tab Compare: another sorting, probe or set of filters beside this one."""
