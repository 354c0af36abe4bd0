"""Scenes: a bag of clip annotations becomes a plan of sub-events, and each sub-event finds, mends or makes its clip.

    bag.draw_bag -> Planner.plan (rules, or a language model) -> Grounder.ground -> Cast

`docs/scenarios.md` tells the way with an example.
"""
