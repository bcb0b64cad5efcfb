"""Side by side on models of full size and random weights: time and memory are real, pictures mean nothing."""
