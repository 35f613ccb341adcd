"""Pictures in: windows, strips and previews of files that may be larger than memory."""
