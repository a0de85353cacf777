"""Pages that put the apps together: the front page, acts, what happened to a dataset."""
