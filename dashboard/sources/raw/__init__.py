"""Raw recordings of SpikeGLX, whole or compressed by mtscomp, read by range."""
