"""What every part of the page shares: state, scene, axes, colours, the queue of its document."""
