"""SpikeInterface's SortingAnalyzer and sortings, as it saves them."""
