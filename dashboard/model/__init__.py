"""Plain values that every other layer speaks in; knows neither files, networks nor the browser."""
