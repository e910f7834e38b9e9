"""Maps that follow from the map of another year: demand, rollouts, training, references."""
