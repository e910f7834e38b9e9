"""What a network sees: windows of a lattice, and the inputs read and resampled for them."""
