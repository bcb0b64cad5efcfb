"""Training of the embedded models, from rendered data to weights."""
