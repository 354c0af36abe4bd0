"""`soundflow check`: measures a finished corpus and judges it by the thresholds of its recipe.

shards    collect.py   each decoded once: levels, hash and embedding of the sound, faults of the plan    (any executor)
corpus    corpus.py    all shards together, and the tables as SQL views
checks    checks/      one file each, found by listing the folder: faults of one stream, or a judgement of the corpus
verdict   verdict.py   what each check measured, its bounds, and a count by reason
"""
