"""Pure computation on loaded spikes."""
