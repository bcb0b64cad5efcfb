"""ECAD's own search (arXiv 2506.15682), to hold ours against: its first population, its breeder and its settings."""
