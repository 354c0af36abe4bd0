"""How others would make the same streams; each file imports its own library and nothing of ours but the plan."""
