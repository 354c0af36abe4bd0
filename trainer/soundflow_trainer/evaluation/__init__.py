"""How well a model decides when to speak, and what it says then."""
