"""What leaves the page: figures of a view, its data, and the code that makes them again."""
