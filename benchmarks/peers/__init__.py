"""Our schedules next to fewer steps and to other caches, each by its own package: one run, same model, same seeds."""
