"""Folders of Kilosort 2, 2.5, 3 and 4, and of phy."""
