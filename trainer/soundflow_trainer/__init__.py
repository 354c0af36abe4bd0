"""The trainer: sequences from streams, the model, its losses and stages, the measures, and the live runtime."""
