"""The live runtime: an encoder that never waits, a queue, and a decoder that drains it when it is not speaking."""
