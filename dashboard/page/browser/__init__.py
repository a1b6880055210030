"""The browser's side: address, history, keys, help."""
