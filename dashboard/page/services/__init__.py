"""What several tabs use, handed to them by the session: alignment to events, trials, tests of responses, side B."""
