"""The same method with the same parameters, by evocache and by another package: time, work, bytes."""
